//go:build !linux

package main

// releaseStartCode does nothing here.
func releaseStartCode() {}

//go:build race

package execcall_test

// concurrent is smaller here: a program with the race detector is slow to start.
const concurrent = 200

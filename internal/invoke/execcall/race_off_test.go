//go:build !race

package execcall_test

const concurrent = 1000

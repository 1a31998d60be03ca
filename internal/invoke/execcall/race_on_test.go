//go:build race

package execcall_test

// concurrent is smaller here: a program with the race detector takes 80 ms of CPU time to start.
const concurrent = 100

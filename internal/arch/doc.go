// Package arch holds the tests that keep the promises of the design: which package may import which, what each program
// must not link, and that the commands people are told are the ones there are.
//
// It has no code of its own. rules_test.go is the list of rules with the reason for each; a new package must be placed
// there.
package arch

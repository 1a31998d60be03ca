// Package cli owns the commands of pelton: flags, environment, files, the terminal, and what each command does with the
// packages below it. It is the only package that reads flags and environment variables, and the only caller of everything.
//
// Data goes to stdout and everything else to stderr; `-o json` makes both machine-readable. Commands end when their work is
// done or their context ends. `pelton up` is the one long-lived command: its order of start and stop is in up_run.go.
package cli

// Package proto holds the contracts that other programs build against, with the Go that is generated from them.
//
// Nothing here runs. `go generate ./proto` writes the Go again; it needs nothing but Go.
package proto

//go:generate go run github.com/bufbuild/buf/cmd/buf@v1.55.1 generate

//go:build tools

// Package tools pins the KEDA programs that the lab builds, in a module of its own: its requirements do not mix with ours.
package tools

import (
	_ "github.com/kedacore/keda/v2/cmd/adapter"
	_ "github.com/kedacore/keda/v2/cmd/operator"
)

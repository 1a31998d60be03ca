//go:build tools

// Package tools pins the etcd that the lab builds, in a module of its own: its requirements do not mix with ours.
package tools

import _ "go.etcd.io/etcd/server/v3"

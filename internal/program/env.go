// Package program has what every server program of ours begins with: settings from the environment with all problems named at
// once, a logger, and a context that ends with the first signal.
//
// It knows no program's settings. It runs nothing.
package program

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"go.uber.org/zap/zapcore"
)

// Env reads settings and gathers what is wrong with them. An empty variable is one that is not set.
type Env struct {
	get      func(string) string
	problems []error
}

// NewEnv reads from getenv.
func NewEnv(getenv func(string) string) *Env { return &Env{get: getenv} }

// Err is everything that is wrong, nil if nothing is.
func (e *Env) Err() error { return errors.Join(e.problems...) }

// Note adds a problem. nil is none.
func (e *Env) Note(err error) {
	if err != nil {
		e.problems = append(e.problems, err)
	}
}

// Get returns a variable, or what it is if it is not set.
func (e *Env) Get(name, otherwise string) string { return cmp.Or(e.get(name), otherwise) }

// Path returns the path of a file or directory that must exist, "" if the variable is not set.
func (e *Env) Path(name string) string {
	path := e.get(name)
	if path == "" {
		return ""
	}
	if _, err := os.Stat(path); err != nil {
		e.Note(fmt.Errorf("%s: %w", name, err))
	}
	return path
}

// KeyPair returns the paths of a certificate and its key, which must both be set or neither.
func (e *Env) KeyPair(certName, keyName string) (cert, key string) {
	cert, key = e.Path(certName), e.Path(keyName)
	if (cert == "") != (key == "") {
		e.Note(fmt.Errorf("%s, %s: only one is set, a certificate needs its key", certName, keyName))
	}
	return cert, key
}

// Address returns where to listen, "" for off.
func (e *Env) Address(name, otherwise string) string {
	if address := e.Get(name, otherwise); address != "off" {
		return address
	}
	return ""
}

// Duration returns a duration above zero.
func (e *Env) Duration(name string, otherwise time.Duration) time.Duration {
	v := e.get(name)
	if v == "" {
		return otherwise
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		e.Note(fmt.Errorf("%s: %q is not a duration above zero, write for example 20s", name, v))
		return otherwise
	}
	return d
}

// Bool returns a truth.
func (e *Env) Bool(name string, otherwise bool) bool {
	v := e.get(name)
	if v == "" {
		return otherwise
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		e.Note(fmt.Errorf("%s: %q is neither true nor false", name, v))
	}
	return b
}

// Count returns a whole number above zero.
func (e *Env) Count(name string, otherwise uint32) uint32 {
	v := e.get(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil || n == 0 {
		e.Note(fmt.Errorf("%s: %q is not a whole number from 1 to %d", name, v, ^uint32(0)))
	}
	return uint32(n)
}

// Level returns how much is logged, info if the variable is not set.
func (e *Env) Level(name string) zapcore.Level {
	level := zapcore.InfoLevel
	if v := e.get(name); v != "" && level.UnmarshalText([]byte(v)) != nil {
		e.Note(fmt.Errorf("%s: %q is none of debug, info, warn, error", name, v))
	}
	return level
}

// IsLoopback reports whether the host of an address to listen at is reached from this machine alone.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

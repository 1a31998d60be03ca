package order

import (
	"crypto/sha256"
	"encoding/hex"
)

// Keys makes the keys of a function's events. Those of one expression are never those of another, so that what was in order by
// the one cannot be mistaken for being in order by the other.
type Keys struct{ expression string }

// NewKeys makes the keys by an expression.
func NewKeys(expression string) Keys { return Keys{expression} }

// Of is the key of an event from the value of the expression. Values may be long; keys are not.
func (k Keys) Of(value string) string { return k.hash("key\x00" + value) }

// None is the key of all events for which there is no value: they are in order among each other.
func (k Keys) None() string { return k.hash("none") }

func (k Keys) hash(what string) string {
	sum := sha256.Sum256([]byte(k.expression + "\x00" + what))
	return hex.EncodeToString(sum[:16])
}

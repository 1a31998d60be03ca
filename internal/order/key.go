package order

import (
	"crypto/sha256"
	"encoding/hex"
)

// Keyless is the key of all events for which none can be computed: they are in order among each other.
const Keyless = "none"

// KeyOf makes the key of an event from the value of its expression. Values may be long; keys are not.
func KeyOf(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:16])
}

package webhook

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

// The bounds of a key of Standard Webhooks, in bytes.
const (
	minStandardKey = 24
	maxStandardKey = 64
)

// Key makes the key that signs of a secret as the provider shows it. White space around it, such as the end of a file's last line,
// is not part of it. The error does not repeat the secret.
func (s Scheme) Key(secret []byte) ([]byte, error) {
	secret = bytes.TrimSpace(secret)
	if len(secret) == 0 {
		return nil, errors.New("read webhook secret: it is empty, and anybody could sign with that")
	}
	if s != Standard {
		return bytes.Clone(secret), nil // Stripe's whsec_ is part of its key
	}
	key, err := base64.StdEncoding.DecodeString(string(bytes.TrimPrefix(secret, []byte("whsec_"))))
	if err != nil {
		return nil, errors.New("read webhook secret: it is not base64: want whsec_ and then the key in base64")
	}
	if len(key) < minStandardKey || len(key) > maxStandardKey {
		return nil, fmt.Errorf("read webhook secret: the key has %d bytes: want %d to %d", len(key), minStandardKey, maxStandardKey)
	}
	return key, nil
}

package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// maxSignatures bounds how much work one request can ask for.
const maxSignatures = 16

// signed reports whether one of the signatures is that of the parts under one of the keys. Signatures are compared as they are
// written, in constant time: another spelling of the same bytes is another signature.
func signed(keys [][]byte, write func([]byte) string, signatures []string, parts ...[]byte) bool {
	found := false
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		for _, part := range parts {
			mac.Write(part)
		}
		want := []byte(write(mac.Sum(nil)))
		for _, signature := range signatures {
			found = hmac.Equal(want, []byte(signature)) || found
		}
	}
	return found
}

func inHex(sum []byte) string { return hex.EncodeToString(sum) }

// notSigned is the refusal of every scheme for a signature that is none, whatever is wrong with it.
func notSigned() error {
	return refuse(Unsigned, "no signature of the request is one of this body under a secret that is known here: "+
		"compare the secret with the provider's, and see that nothing on the way changes the body")
}

// maxTime is the most digits of a time in seconds.
const maxTime = 12

// checkTime reads a time in seconds since 1970 and holds it to the tolerance. where names it for the message.
func checkTime(where, text string, now time.Time) (time.Time, error) {
	digits := len(text) > 0 && len(text) <= maxTime
	for i := range len(text) {
		digits = digits && text[i] >= '0' && text[i] <= '9'
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if !digits || err != nil {
		return time.Time{}, refuse(Malformed, "%s is not a time: want seconds since 1970, in 1 to %d digits", where, maxTime)
	}
	at := time.Unix(seconds, 0).UTC()
	if off := now.Sub(at); off > Tolerance || off < -Tolerance {
		return time.Time{}, refuse(Unsigned, "%s is %s, and it is %s here: want at most %s between them",
			where, at.Format(time.RFC3339), now.UTC().Format(time.RFC3339), Tolerance)
	}
	return at, nil
}

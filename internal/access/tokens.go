package access

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// DefaultCaller is whose token it is where a file has nothing but a token.
const DefaultCaller = "default"

// hashPrefix begins a token's SHA-256 in a file.
const hashPrefix = "sha256:"

// minToken is the fewest characters of a token: 16 random bytes in base64 have more.
const minToken = 16

// maxProblems bounds what is told of one file.
const maxProblems = 20

var callerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

const callerRule = "1 to 63 letters, digits and ._-, the first a letter or digit"

// tokens knows callers by their tokens. What it keeps of one is a hash with a key that only this process has: how long a
// search takes tells nothing about any token, and a dump of the memory can be tried against nothing.
type tokens struct {
	key    []byte
	owners map[[sha256.Size]byte]string
}

// parseTokens reads a line for each token, NAME TOKEN or NAME sha256:HEX, or one token alone. A name may have several, and so change
// from one to the next. The error names every line at fault and shows no token.
func parseTokens(text []byte) (*tokens, error) {
	t := &tokens{key: make([]byte, sha256.Size), owners: map[[sha256.Size]byte]string{}}
	_, _ = rand.Read(t.key) // it never fails
	var errs []error
	n, callers, lone := 0, 0, 0
	for line := range bytes.Lines(text) {
		n++
		words := strings.Fields(string(line))
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		callers++
		if len(words) == 1 {
			lone = n
		}
		if err := t.add(words); err != nil && len(errs) < maxProblems {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
		}
	}
	if lone > 0 && callers > 1 {
		errs = append(errs, fmt.Errorf("line %d: has one word: want NAME TOKEN, as only a file of one line may be a token alone (a name "+
			"that has lost its token would be one)", lone))
	}
	if len(errs) == 0 && len(t.owners) == 0 {
		errs = append(errs, errors.New("it has no caller: write a line NAME TOKEN for each, "+
			"and make tokens with: openssl rand -base64 24"))
	}
	return t, errors.Join(errs...)
}

func (t *tokens) add(words []string) error {
	if len(words) == 1 {
		words = []string{DefaultCaller, words[0]}
	}
	name, token := words[0], words[1]
	if len(words) > 2 {
		return fmt.Errorf("has %d words, want NAME TOKEN", len(words))
	}
	if !callerName.MatchString(name) || name == Anonymous {
		return fmt.Errorf("the name is not %s, and not %s", callerRule, Anonymous)
	}
	sum, err := sumOf(token)
	if err != nil {
		return fmt.Errorf("caller %s: %w", name, err)
	}
	key := t.keyed(sum)
	if owner, ok := t.owners[key]; ok {
		return fmt.Errorf("caller %s: the token is that of %s already", name, owner)
	}
	t.owners[key] = name
	return nil
}

// sumOf is the SHA-256 of a token, or that which stands in its place.
func sumOf(token string) (sum [sha256.Size]byte, err error) {
	if digits, ok := strings.CutPrefix(token, hashPrefix); ok {
		decoded, err := hex.DecodeString(digits)
		if err != nil || len(decoded) != len(sum) {
			return sum, fmt.Errorf("after %s there must be %d hexadecimal digits", hashPrefix, 2*len(sum))
		}
		return [sha256.Size]byte(decoded), nil
	}
	if len(token) < minToken || len(token) > maxToken || strings.ContainsFunc(token, notVisible) {
		return sum, fmt.Errorf("the token is not %d to %d visible ASCII characters", minToken, maxToken)
	}
	return sha256.Sum256([]byte(token)), nil
}

func notVisible(r rune) bool { return r < '!' || r > '~' }

func (t *tokens) keyed(sum [sha256.Size]byte) [sha256.Size]byte {
	mac := hmac.New(sha256.New, t.key)
	mac.Write(sum[:])
	return [sha256.Size]byte(mac.Sum(nil))
}

// owner is whose token it is.
func (t *tokens) owner(token string) (string, bool) {
	name, ok := t.owners[t.keyed(sha256.Sum256([]byte(token)))]
	return name, ok
}

package access

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

const (
	shopToken = "shop-0123456789abcdef"
	mailToken = "mail-0123456789abcdef"
)

func sha(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func TestTokens(t *testing.T) {
	t.Parallel()
	tokens, err := parseTokens([]byte("# who may\n\nshop " + shopToken + "\r\n\tmail  " + sha(mailToken) + " \n" +
		"shop another-0123456789abc"))
	if err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]string{
		shopToken: "shop", "another-0123456789abc": "shop", mailToken: "mail",
		sha(mailToken): "", "": "", shopToken + "x": "", shopToken[1:]: "", strings.ToUpper(shopToken): "",
	} {
		if got, ok := tokens.owner(token); got != want || ok != (want != "") {
			t.Errorf("%q is of %q, want %q", token, got, want)
		}
	}
}

func TestOneTokenAlone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{shopToken, "# the only one\n\n" + shopToken + "\n", sha(shopToken)} {
		tokens, err := parseTokens([]byte(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got, _ := tokens.owner(shopToken); got != DefaultCaller {
			t.Errorf("%q: the token is of %q, want %s", text, got, DefaultCaller)
		}
	}
}

// TestTokensAtFault: every line is named, and no token is shown.
func TestTokensAtFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                    "it has no caller",
		"# nobody\n":                          "it has no caller",
		"shop secret":                         "line 1: caller shop: the token is not 16 to",
		"shop secret-with-ä-in-it-0123":       "line 1: caller shop: the token is not 16 to",
		"a b c":                               "line 1: has 3 words",
		"-shop " + shopToken:                  "line 1: the name is not",
		"anonymous " + shopToken:              "line 1: the name is not",
		"corp:shop " + shopToken:              "line 1: the name is not",
		"shop sha256:secret":                  "line 1: caller shop: after sha256: there must be 64",
		"a " + shopToken + "\nb " + shopToken: "line 2: caller b: the token is that of a already",
		"a " + shopToken + "\nb " + sha(shopToken):       "line 2: caller b: the token is that of a already",
		"shop " + shopToken + "\nsecret-service-of-mail": "line 2: has one word",
		shopToken + "\nmail " + mailToken:                "line 1: has one word",
		shopToken + "\n" + mailToken:                     "line 2: has one word",
		"a secret\n\nb secret":                           "line 3: caller b",
	} {
		_, err := parseTokens([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
			continue
		}
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), shopToken) {
			t.Errorf("a token is shown: %v", err)
		}
	}
	if _, err := parseTokens([]byte(strings.Repeat("a b c\n", 1000))); strings.Count(err.Error(), "\n") > maxProblems {
		t.Errorf("%d lines of error", strings.Count(err.Error(), "\n"))
	}
}

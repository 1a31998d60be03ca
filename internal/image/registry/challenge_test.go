package registry

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseChallenge(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]challenge{
		`Bearer realm="https://a/token",service="b c"`: {"bearer", map[string]string{"realm": "https://a/token", "service": "b c"}},
		`BASIC realm="a, b"`:                           {"basic", map[string]string{"realm": "a, b"}},
		`Bearer realm=a, Service = "x\"y" ,scope=""`:   {"bearer", map[string]string{"realm": "a", "service": `x"y`, "scope": ""}},
		`Basic`:              {"basic", map[string]string{}},
		``:                   {"", map[string]string{}},
		`Bearer realm="open`: {"bearer", map[string]string{}},
	} {
		if diff := cmp.Diff(want, parseChallenge(text), cmp.AllowUnexported(challenge{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func FuzzParseChallenge(f *testing.F) {
	f.Add(`Bearer realm="https://a/token",service="b c",scope=x`)
	f.Add(`Basic realm="\\"`)
	f.Fuzz(func(t *testing.T, text string) {
		if c := parseChallenge(text); c.params == nil {
			t.Errorf("%q has no parameters at all", text)
		}
	})
}

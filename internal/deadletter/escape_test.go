package deadletter

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestEscape(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "s"))
		e := escape(s)
		for i := range len(e) {
			if e[i] < ' ' || e[i] >= 0x7f {
				t.Fatalf("escape(%q) = %q", s, e)
			}
		}
		if strings.TrimSpace(e) != e {
			t.Fatalf("escape(%q) = %q would be trimmed", s, e)
		}
		if got := unescape(e); got != s {
			t.Fatalf("unescape(escape(%q)) = %q", s, got)
		}
	})
}

func TestUnescapeLeavesForeignText(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"100%", "%", "%4", "%zz", "50% of %d"} {
		if got := unescape(s); got != s {
			t.Errorf("unescape(%q) = %q", s, got)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for n := range 8 {
		if got := cut("aø€b", n); len(got) > n || !utf8.ValidString(got) {
			t.Errorf("cut to %d = %q", n, got)
		}
	}
}

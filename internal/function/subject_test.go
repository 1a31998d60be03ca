package function_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"pgregory.net/rapid"

	"github.com/pelton-dev/pelton/internal/function"
)

func TestValidSubject(t *testing.T) {
	t.Parallel()
	tests := []struct {
		subject   string
		pattern   string // what ValidSubject says; empty if it is valid
		published string // what ValidPublishSubject says
	}{
		{"events.a", "", ""},
		{"events.ünïcode-1_2", "", ""},
		{"$KV.bucket.key", "", ""},
		{"events.*", "", "wildcard"},
		{"*", "", "wildcard"},
		{">", "", "wildcard"},
		{"events.>", "", "wildcard"},
		{"events.>.a", "token 2 is >, which is only allowed as the last", "wildcard"},
		{"events.a*", "a wildcard must be a token of its own", "wildcard"},
		{"events.>>", "a wildcard must be a token of its own", "wildcard"},
		{"", "it is empty", "it is empty"},
		{"a..b", "token 2 is empty", "token 2 is empty"},
		{".a", "token 1 is empty", "token 1 is empty"},
		{"a.", "token 2 is empty", "token 2 is empty"},
		{"a b", "has a space", "has a space"},
		{"a\u00a0b", "has a space", "has a space"},
		{"a\tb", "cannot be printed", "cannot be printed"},
		{"a\x00", "cannot be printed", "cannot be printed"},
		{"a\x7f", "cannot be printed", "cannot be printed"},
		{"a\u202eb", "cannot be printed", "cannot be printed"},
		{"a.\xff", "not valid UTF-8", "not valid UTF-8"},
		{"a.\ufffd", "cannot be printed", "cannot be printed"},
		{strings.Repeat("a", 256), "256 bytes long", "256 bytes long"},
		{"$JS.>", "$JS.> is reserved", "wildcard"},
		{"$JS.API.INFO", "$JS.> is reserved", "$JS.> is reserved"},
		{"$SYS.a", "$SYS.> is reserved", "$SYS.> is reserved"},
		{"_INBOX.>", "_INBOX.> is reserved", "wildcard"},
		{"_INBOX_mine.a", "reserved", "reserved"},
		{"pelton.work.a.b", "pelton.> is reserved", "pelton.> is reserved"},
		{"peltons.a", "", ""},
	}
	for _, tt := range tests {
		wantError(t, "ValidSubject", tt.subject, function.ValidSubject(tt.subject), tt.pattern)
		wantError(t, "ValidPublishSubject", tt.subject, function.ValidPublishSubject(tt.subject), tt.published)
	}
}

func wantError(t *testing.T, what, subject string, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("%s(%q) accepts it, want %q", what, subject, want)
	case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
		t.Errorf("%s(%q) = %v, want %q", what, subject, err, want)
	}
}

func TestMatchSubject(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, subject string
		want             bool
	}{
		{"a.b", "a.b", true},
		{"a.b", "a.c", false},
		{"a.b", "a", false},
		{"a", "a.b", false},
		{"a.*", "a.b", true},
		{"a.*", "a.b.c", false},
		{"a.*", "a", false},
		{"a.>", "a.b.c", true},
		{"a.>", "a", false},
		{">", "a", true},
		{"*.b", "a.b", true},
		{"*", "", true}, // never published; must only not panic
		{">", "", false},
	}
	for _, tt := range tests {
		if got := function.MatchSubject(tt.pattern, tt.subject); got != tt.want {
			t.Errorf("MatchSubject(%q, %q) = %v", tt.pattern, tt.subject, got)
		}
	}
}

// TestMatchSubjectAllocatesNothing cannot run in parallel: it counts the allocations of the process.
func TestMatchSubjectAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { function.MatchSubject("a.*.c.>", "a.b.c.d.e") }); n != 0 {
		t.Errorf("MatchSubject allocates %v times", n)
	}
}

// TestSubjectsAgreeWithServer compares the grammar with that of the server it is meant for.
func TestSubjectsAgreeWithServer(t *testing.T) {
	t.Parallel()
	pattern := rapid.Custom(func(t *rapid.T) string {
		tokens := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "*"}), 1, 4).Draw(t, "tokens")
		if rapid.Bool().Draw(t, "full wildcard") {
			tokens = append(tokens, ">")
		}
		return strings.Join(tokens, ".")
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := pattern.Draw(t, "a"), pattern.Draw(t, "b")
		if err := function.ValidSubject(a); err != nil || !server.IsValidSubject(a) {
			t.Fatalf("%q is valid: %v", a, err)
		}
		if got, want := function.SubjectsOverlap(a, b), server.SubjectsCollide(a, b); got != want {
			t.Fatalf("SubjectsOverlap(%q, %q) = %v, the server says %v", a, b, got, want)
		}
		if got, want := function.SubjectCovers(a, b), server.SubjectMatchesFilter(b, a); got != want {
			t.Fatalf("SubjectCovers(%q, %q) = %v, the server says %v", a, b, got, want)
		}
		literal := strings.NewReplacer("*", "b", ">", "a.b").Replace(b)
		if got, want := function.MatchSubject(a, literal), server.SubjectsCollide(a, literal); got != want {
			t.Fatalf("MatchSubject(%q, %q) = %v, the server says %v", a, literal, got, want)
		}
	})
}

func TestAcceptedSubjectsAreValidForServer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.SampledFrom([]rune("a.*> \t\x00$_ü")), 0, 8, -1).Draw(t, "subject")
		if function.ValidSubject(s) == nil && !server.IsValidSubject(s) {
			t.Fatalf("%q is accepted and the server refuses it", s)
		}
		if function.ValidPublishSubject(s) == nil && !server.IsValidPublishSubject(s) {
			t.Fatalf("%q is accepted for publishing and the server refuses it", s)
		}
	})
}

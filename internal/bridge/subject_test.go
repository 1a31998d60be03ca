package bridge

import (
	"regexp"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

var plainSubject = regexp.MustCompile(`^events(\.[A-Za-z0-9_-]{1,64})+$`)

// FuzzSubjectOfPath: whatever the path, a subject that comes of it is plain, short and one that NATS takes literally.
func FuzzSubjectOfPath(f *testing.F) {
	for _, seed := range []string{
		"/events/a", "/events/a/b.c", "/events//", "/events/*", "/events/>", "/events/a\x00",
		"/events/%2f", "/events/..", "/events/é",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		subject, ok := subjectOfPath(path)
		if !ok {
			if subject != "" {
				t.Errorf("%q: refused, but with subject %q", path, subject)
			}
			return
		}
		if !plainSubject.MatchString(subject) || len(subject) > maxSubject || !server.IsValidLiteralSubject(subject) {
			t.Errorf("%q became %q", path, subject)
		}
	})
}

func TestSubjectOfType(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		"ex": "events.ex", "events.ex": "events.ex", "com.example.order": "events.com.example.order", "events": "events.events",
		"events.": "", "": "", "a..b": "", "events.*": "",
	} {
		if got, ok := subjectOfType(kind); got != want || ok != (want != "") {
			t.Errorf("type %q becomes %q (%t), want %q", kind, got, ok, want)
		}
	}
}

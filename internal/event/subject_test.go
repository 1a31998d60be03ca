package event_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pelton-dev/pelton/internal/event"
)

func TestMessageID(t *testing.T) {
	t.Parallel()
	if got := event.MessageID("/shop", "1"); got != "SVkKHUyT7WionUPdmTTl3GIZ20SCEhQeT7ZWBbiXzB4" {
		t.Errorf("the id of an event changed: %s", got)
	}
	seen := map[string][]string{}
	for _, parts := range [][]string{
		{"a", "bc"},
		{"ab", "c"},
		{"", "abc"},
		{"abc", ""},
		{"a", "b", "c"},
		{"a", "bc", ""},
		{"a", "b", "", "c"},
		{"a", strings.Repeat("x", 300)},
		{"a", strings.Repeat("x", 299), "x"},
	} {
		id := event.MessageID(parts[0], parts[1], parts[2:]...)
		if other, ok := seen[id]; ok || len(id) != 43 {
			t.Errorf("%q and %q have the id %q", parts, other, id)
		}
		seen[id] = parts
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	for want, build := range map[string]func() (string, error){
		"pelton.work.default.thumb.http": func() (string, error) { return event.WorkSubject("default", "thumb", "http") },
		"pelton.work.default.thumb.retry.E.7": func() (string, error) {
			return event.WorkSubject("default", "thumb", "retry", "E", "7")
		},
		"pelton.work.default.thumb.>":     func() (string, error) { return event.WorkFilter("default", "thumb") },
		"pelton.park.ns.f.MY_Stream-1.42": func() (string, error) { return event.ParkSubject("ns", "f", "MY_Stream-1", 42) },
		"pelton.dead.ns.f":                func() (string, error) { return event.DeadSubject("ns", "f") },
		"pelton.run.ns.f":                 func() (string, error) { return event.RunSubject("ns", "f") },
	} {
		if got, err := build(); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	if _, err := event.WorkSubject("ns", "f"); err == nil {
		t.Error("a work subject without a leaf was built")
	}
	if _, err := event.WorkFilter("ns", "a.b"); err == nil {
		t.Error("a filter with two tokens in a name was built")
	}
}

// Whatever goes in, a subject has exactly the tokens it was built from.
func TestSubjectsCannotBeInjected(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	part := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9.*>-]{0,5}`), rapid.SampledFrom([]string{
		"*", ">", "a.b", "a b", "a\r\nPUB x", "b\x00c", "b/c", "", "-a", "a-", strings.Repeat("a", 64), "A_b", "é",
	}))
	rapid.Check(t, func(t *rapid.T) {
		ns, fn, stream := part.Draw(t, "ns"), part.Draw(t, "fn"), part.Draw(t, "stream")
		got, err := event.ParkSubject(ns, fn, stream, 1)
		if valid := name.MatchString(ns) && name.MatchString(fn); err == nil && !valid {
			t.Fatalf("built %q", got)
		}
		if err == nil && (strings.Count(got, ".") != 5 || strings.ContainsAny(got, "*> \r\n\t\x00/\\")) {
			t.Fatalf("built %q", got)
		}
		if event.ValidToken(ns) != name.MatchString(ns) {
			t.Fatalf("ValidToken(%q) is %v", ns, event.ValidToken(ns))
		}
	})
}

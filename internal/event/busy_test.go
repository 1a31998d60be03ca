package event_test

import (
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/event"
)

// TestBusySubject builds subjects and reads them again.
func TestBusySubject(t *testing.T) {
	t.Parallel()
	s, err := event.BusySubject("shop", "thumb", "thumb-pfn-7d9c-x2x4z")
	if err != nil || s != "pelton.busy.shop.thumb.thumb-pfn-7d9c-x2x4z" {
		t.Fatalf("%q, %v", s, err)
	}
	ns, fn, replica, ok := event.ParseBusySubject(s)
	if ns != "shop" || fn != "thumb" || replica != "thumb-pfn-7d9c-x2x4z" || !ok {
		t.Errorf("%s %s %s %v", ns, fn, replica, ok)
	}
	for _, replica := range []string{"", "a.b", "a*", ">", "a b", strings.Repeat("x", 256)} {
		if s, err := event.BusySubject("shop", "thumb", replica); err == nil {
			t.Errorf("replica %q: %s", replica, s)
		}
	}
}

func TestParseBusySubjectRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "pelton.busy", "pelton.busy.", "pelton.busy.a.b", "pelton.busy.a.b.", "pelton.busy.a.b.c.d", "pelton.busy..b.c",
		"pelton.busy.A.b.c", "pelton.work.a.b.c", "pelton.busy.a.b.c>", "pelton.busy.a.b.x/y",
	} {
		if _, _, _, ok := event.ParseBusySubject(s); ok {
			t.Errorf("%q is taken", s)
		}
	}
}

package access

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	t.Parallel()
	p, l := mustParse(t, example), newLimiter(10)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	shop := Caller{Name: "shop"}
	limit := *p.limitOf(shop)
	for i := range 3 {
		if got := l.take(shop, limit, now); got != nil {
			t.Fatalf("request %d of a burst of 3: %+v", i, got)
		}
	}
	got := l.take(shop, limit, now)
	if got == nil || got.Reason != TooMany || got.RetryAfter != 500*time.Millisecond {
		t.Fatalf("fourth request: %+v, want to wait half a second", got)
	}
	if want := "Caller shop makes more requests than 2 a second, and 3 at once."; got.Detail != want {
		t.Errorf("got %q, want %q", got.Detail, want)
	}
	if got := l.take(shop, limit, now.Add(500*time.Millisecond)); got != nil {
		t.Errorf("half a second later: %+v", got)
	}
	limit.Rate, limit.Burst = 100, 100 // the file was changed
	if got := l.take(shop, limit, now.Add(time.Second)); got != nil {
		t.Errorf("with a higher limit: %+v", got)
	}
}

func TestQuota(t *testing.T) {
	t.Parallel()
	p, l := mustParse(t, example), newLimiter(10)
	now := time.Date(2026, 11, 21, 12, 40, 0, 0, time.UTC)
	mail := Caller{Name: "mail"}
	limit := *p.limitOf(mail)
	for range 5 {
		if got := l.take(mail, limit, now); got != nil {
			t.Fatal(got)
		}
	}
	got := l.take(mail, limit, now)
	if got == nil || got.RetryAfter != 20*time.Minute || !strings.Contains(got.Detail, "from 2026-11-21T13:00:00Z on") {
		t.Fatalf("sixth request: %+v", got)
	}
	if got := l.take(Caller{Name: "other"}, limit, now); got != nil {
		t.Errorf("another caller: %+v", got)
	}
	if got := l.take(mail, limit, now.Add(20*time.Minute)); got != nil {
		t.Errorf("in the next hour: %+v", got)
	}
	if p.limitOf(Caller{Name: "shop"}).Quota.Requests != 0 || mustParse(t, "rules: [{callers: [a], paths: [/a]}]").limitOf(mail) != nil {
		t.Error("not the first limit for a caller counts, or there is one without any")
	}
}

// TestLimiterIsBounded forgets who has not asked for longest.
func TestLimiterIsBounded(t *testing.T) {
	t.Parallel()
	l := newLimiter(3)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	once := Limit{Quota: Quota{Requests: 1, Per: Duration(time.Hour)}}
	for i := range 100 {
		if got := l.take(Caller{Name: fmt.Sprint(i)}, once, now); got != nil {
			t.Fatal(got)
		}
	}
	if len(l.accounts) != 3 || l.recent.Len() != 3 {
		t.Errorf("%d callers are known, %d in order, want 3", len(l.accounts), l.recent.Len())
	}
	if l.take(Caller{Name: "99"}, once, now) == nil {
		t.Error("the last caller was forgotten")
	}
	if l.take(Caller{Name: Anonymous, address: "a"}, once, now) != nil || l.take(Caller{Name: Anonymous, address: "b"}, once, now) != nil {
		t.Error("two anonymous callers are one")
	}
}

package sidecar

import (
	"testing"
	"time"
)

// TestWhatIsTold plays seconds, with so many calls in work in each, and looks at what is told when.
func TestWhatIsTold(t *testing.T) {
	t.Parallel()
	type seconds = map[int]int64 // from that second on so many
	for name, c := range map[string]struct {
		work seconds
		want seconds
	}{
		"never busy":          {seconds{0: 0}, seconds{}},
		"busy at once":        {seconds{3: 1}, seconds{3: 1, 33: 1, 63: 1}},
		"more in steps":       {seconds{0: 1, 1: 2, 2: 3, 3: 4, 4: 7, 5: 8}, seconds{0: 1, 1: 2, 3: 4, 5: 8, 35: 8, 65: 8}},
		"idle after a calm":   {seconds{0: 5, 10: 0}, seconds{0: 5, 15: 0, 45: 0, 75: 0}},
		"a gap is not idle":   {seconds{0: 5, 10: 0, 14: 4, 20: 0, 23: 6}, seconds{0: 5, 30: 6, 60: 6}},
		"less, then idle":     {seconds{0: 8, 10: 2, 20: 0}, seconds{0: 8, 15: 2, 25: 0, 55: 0}},
		"less while it calms": {seconds{0: 8, 10: 4, 12: 0}, seconds{0: 8, 15: 0, 45: 0, 75: 0}},
	} {
		got := play(c.work)
		for s, n := range got {
			if want, there := c.want[s]; !there || want != n {
				t.Errorf("%s: told %d in second %d", name, n, s)
			}
		}
		for s, n := range c.want {
			if _, there := got[s]; !there {
				t.Errorf("%s: not told %d in second %d", name, n, s)
			}
		}
	}
}

// play steps through 80 seconds.
func play(work map[int]int64) map[int]int64 {
	began := time.Unix(1000, 0)
	told := map[int]int64{}
	var last said
	var n int64
	for s := range 80 {
		if more, there := work[s]; there {
			n = more
		}
		if now := began.Add(time.Duration(s) * time.Second); last.due(n, now) {
			last, told[s] = said{number: n, at: now}, n
		}
	}
	return told
}

// TestWaitReachesWhatIsDue waits as it is told to, and finds then that something is due.
func TestWaitReachesWhatIsDue(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	var last said
	if w := last.wait(0, now); w != 0 {
		t.Errorf("an idle replica is woken after %v", w)
	}
	for _, n := range []int64{3, 8, 2, 0, 0} {
		due := last.due(n, now)
		for tries := 0; !due && tries < 3; tries++ {
			w := last.wait(n, now)
			if w <= 0 {
				t.Fatalf("%d after %+v: it would never be told", n, last)
			}
			now = now.Add(w)
			due = last.due(n, now)
		}
		if !due {
			t.Fatalf("%d after %+v: not due after its waits", n, last)
		}
		last = said{number: n, at: now}
	}
}

package faults

import (
	"slices"
	"testing"
	"time"
)

// TestReordered judges calls of two events of one key by when they began and ended.
func TestReordered(t *testing.T) {
	t.Parallel()
	two := key{one.Source, "2"}
	type step struct {
		of   key
		kind recordKind
	}
	begun := func(k key) step { return step{k, recordBegun} }
	done := func(k key) step { return step{k, recordDone} }
	for name, c := range map[string]struct {
		steps []step
		want  int
	}{
		"one after the other":         {[]step{begun(one), done(one), begun(two), done(two)}, 0},
		"the second at the same time": {[]step{begun(one), begun(two), done(one), done(two)}, 1},
		"the second first":            {[]step{begun(two), done(two), begun(one), done(one)}, 2},
		"the first again":             {[]step{begun(one), done(one), begun(two), done(two), begun(one), done(one)}, 1},
		"both again, in order": {slices.Concat([]step{begun(one), done(one), begun(two), done(two)},
			[]step{begun(one), done(one), begun(two), done(two)}), 0},
		"the first cut and again": {[]step{begun(one), begun(one), done(one), begun(two), done(two)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &evidence{ordered: true, stored: map[key][]storedEvent{one: {{sequence: 1}}, two: {{sequence: 2}}}, limit: 5}
			for _, k := range []key{two, one} {
				e.published = append(e.published, record{Kind: recordAcked, ID: k.ID, Source: k.Source, Key: "a"})
			}
			for i, s := range c.steps {
				r := record{Kind: s.kind, ID: s.of.ID, Source: s.of.Source, At: time.Unix(int64(i), 0), Attempt: 1}
				e.handled = append(e.handled, r)
			}
			judge := checker{e, &Verdict{}}
			judge.judgeOrder()
			if n := judge.v.Counts.Reordered; n != c.want {
				t.Errorf("%d findings, want %d: %v", n, c.want, judge.v.Violations)
			}
		})
	}
}

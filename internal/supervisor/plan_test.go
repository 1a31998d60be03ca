package supervisor

import (
	"slices"
	"testing"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	cur := func(n int, st state, inFlight int) member {
		return member{number: n, current: true, state: st, inFlight: inFlight}
	}
	old := func(n int, st state) member { return member{number: n, state: st} }
	pinned := member{number: 9, current: true, state: ready, pinned: true}
	for name, c := range map[string]struct {
		in    situation
		start int
		drain []int
	}{
		"from zero":            {situation{want: 3, mayStart: 10}, 3, nil},
		"back-off":             {situation{want: 3}, 0, nil},
		"canary":               {situation{want: 3, mayStart: 1}, 1, nil},
		"starting ones count":  {situation{[]member{cur(1, starting, 0)}, 2, 10, false}, 1, nil},
		"draining ones do not": {situation{[]member{cur(1, draining, 0)}, 1, 10, false}, 1, nil},
		"down: the starting first": {
			situation{[]member{cur(1, ready, 0), cur(2, starting, 0)}, 1, 10, false},
			0,
			[]int{2},
		},
		"down: then the idle":              {situation{[]member{cur(1, ready, 0), cur(2, ready, 3)}, 1, 10, false}, 0, []int{1}},
		"down: then the newest":            {situation{[]member{cur(1, ready, 1), cur(2, ready, 1)}, 1, 10, false}, 0, []int{2}},
		"down: never a busy one":           {situation{[]member{cur(1, ready, 1), cur(2, ready, 0)}, 0, 10, true}, 0, []int{2}},
		"a direct call holds":              {situation{[]member{pinned}, 0, 10, false}, 0, nil},
		"reload: the old one stays":        {situation{[]member{old(1, ready)}, 1, 10, false}, 1, nil},
		"reload: while the new one starts": {situation{[]member{old(1, ready), cur(2, starting, 0)}, 1, 10, false}, 0, nil},
		"reload: until it is ready":        {situation{[]member{old(1, ready), cur(2, ready, 0)}, 1, 10, false}, 0, []int{1}},
		"reload: one for one": {
			situation{[]member{old(1, ready), old(2, ready), cur(3, ready, 0), cur(4, starting, 0)}, 2, 9, false},
			0,
			[]int{2},
		},
		"reload: nothing wanted":      {situation{[]member{old(1, ready)}, 0, 10, false}, 0, []int{1}},
		"reload: old one that starts": {situation{[]member{old(1, starting)}, 1, 10, false}, 1, nil},
	} {
		start, drain := c.in.plan()
		if start != c.start || !slices.Equal(drain, c.drain) {
			t.Errorf("%s: start %d drain %v, want %d %v", name, start, drain, c.start, c.drain)
		}
	}
}

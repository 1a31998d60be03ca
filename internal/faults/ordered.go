package faults

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
)

// OrderedLoad is what can become of an event of a function with an order. Each way holds up its key, so the long ones are rare.
func OrderedLoad(rate float64, duration time.Duration) Load {
	return Load{Rate: rate, Events: int(rate * duration.Seconds()), Shares: []Share{
		{Kind: KindWork, Weight: 960, Work: 10 * time.Millisecond},
		{Kind: KindWork, Weight: 10, Work: time.Second},
		{Kind: KindFailOnce, Weight: 20, Work: 10 * time.Millisecond},
		{Kind: KindPoison, Weight: 5},
		{Kind: KindReject, Weight: 5},
	}}
}

// inOrder gives a function an order by the keys of the load.
func inOrder(fn *function.Function) {
	fn.Spec.Ordering = &function.Ordering{Key: "data.key"}
	fn.Spec.Retry.MaxBackoff = function.Duration(200 * time.Millisecond)
}

// turn is one event of a key.
type turn struct {
	key      key
	sequence uint64 // in EVENTS
	begun    []time.Time
	ended    time.Time // the first time; zero if nobody saw it
	dead     bool
}

// judgeOrder wants, of the events of each key, that none begins before the one before it has ended. A repetition is allowed only
// if what is behind it is repeated as well.
func (c *checker) judgeOrder() {
	if !c.ordered {
		return
	}
	turns := c.turns()
	for _, key := range sortedTurns(turns) {
		queue := turns[key]
		for i := 1; i < len(queue); i++ {
			c.judgeTurn(key, queue[i-1], queue[i])
		}
	}
}

func (c *checker) judgeTurn(order string, first, second *turn) {
	if len(second.begun) == 0 {
		return
	}
	if !first.ended.IsZero() && second.begun[0].Before(first.ended) {
		c.find(ClassReordered, second.key, fmt.Sprintf("of %s, it began %v before %v had ended", order,
			first.ended.Sub(second.begun[0]), first.key))
	}
	last := second.begun[len(second.begun)-1]
	for _, again := range first.begun {
		if again.After(last) && !first.dead {
			c.find(ClassReordered, first.key, fmt.Sprintf("of %s, it began %v after %v had begun for the last time", order,
				again.Sub(last), second.key))
			return
		}
	}
}

// turns puts the events of each key in the order in which they were stored.
func (c *checker) turns() map[string][]*turn {
	all := map[key]*turn{}
	of := map[string][]*turn{}
	for i := range c.published {
		r := &c.published[i]
		stored := c.stored[r.key()]
		if all[r.key()] != nil || len(stored) == 0 {
			continue
		}
		t := &turn{key: r.key(), sequence: stored[0].sequence, dead: len(c.letters[r.key()]) > 0}
		all[r.key()] = t
		of[r.Key] = append(of[r.Key], t)
	}
	for i := range c.handled {
		r := &c.handled[i]
		t := all[r.key()]
		if t == nil {
			continue // a phantom
		}
		spent := r.Kind == recordFailed && r.Attempt == c.limit
		switch {
		case r.Kind == recordBegun:
			t.begun = append(t.begun, r.At)
		case (r.Kind == recordDone || r.Kind == recordRejected || spent) && (t.ended.IsZero() || r.At.Before(t.ended)):
			t.ended = r.At
		}
	}
	for _, queue := range of {
		slices.SortFunc(queue, func(a, b *turn) int { return cmp.Compare(a.sequence, b.sequence) })
		for _, t := range queue {
			slices.SortFunc(t.begun, time.Time.Compare)
		}
	}
	return of
}

func sortedTurns(turns map[string][]*turn) []string {
	keys := make([]string, 0, len(turns))
	for key := range turns {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

package faults

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/function"
)

// replaysAtOnce is how many dead letters are given again at one time.
const replaysAtOnce = 8

var errLetters = errors.New("dead letters are left")

// replayLetters is the second act: the handlers are mended and take everything, and every dead letter is given again. It adds
// to the evidence what became of them.
func (w *world) replayLetters(ctx context.Context, e *evidence) error {
	if e.unsettled != nil || len(e.letters) == 0 {
		return nil
	}
	if err := w.startReplicas(ctx, takesAll); err != nil {
		return err
	}
	defer w.stopReplicas()
	if err := poll(ctx, w.cfg.Patience, "replay the dead letters", w.replayAll); err != nil {
		return err
	}
	e.unsettled = w.settle(ctx)
	w.stopReplicas()
	var err error
	e.replayed = true
	e.healed, err = readLedgers(w.ledgers(), healedLedger)
	return err
}

// replayAll is nil when no letter is left.
func (w *world) replayAll(ctx context.Context) error {
	all, err := deadletter.List(ctx, w.js, deadletter.Filter{Namespace: function.DefaultNamespace, Function: functionName})
	if err != nil || len(all) == 0 {
		return err
	}
	var g errgroup.Group
	g.SetLimit(replaysAtOnce)
	for _, l := range all {
		g.Go(func() error { return deadletter.Replay(context.WithoutCancel(ctx), w.js, l.ID) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return fmt.Errorf("%w: %d were replayed, look again", errLetters, len(all))
}

// judgeReplays wants every event that was dead done now, with the bytes it was sent with, and no call of any other.
func (c *checker) judgeReplays(stories map[key]*story) {
	if !c.replayed {
		return
	}
	done := map[key]int{}
	for i := range c.healed {
		r := &c.healed[i]
		if s := stories[r.key()]; s == nil || len(c.letters[r.key()]) == 0 {
			c.find(ClassPhantom, r.key(), "in the handler, after the replay of dead letters")
		} else if r.Sum != s.sum {
			c.find(ClassCorrupt, r.key(), "in the handler, after the replay of its dead letter")
		}
		if r.Kind == recordDone {
			done[r.key()]++
		}
	}
	for _, k := range sortedKeys(stories) {
		switch letters := len(c.letters[k]); {
		case letters == 0:
		case done[k] == 0:
			c.find(ClassUnreplayed, k, "its dead letter was replayed, and it is not done")
		case done[k] > letters:
			c.note(ClassDuplicate, k, fmt.Sprintf("replayed %d times and done %d times", letters, done[k]))
		default:
			c.v.Counts.Replayed++
		}
	}
}

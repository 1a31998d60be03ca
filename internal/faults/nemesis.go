package faults

import (
	"context"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"
)

// nemesis carries out a plan on a world.
type nemesis struct {
	world *world
	out   io.Writer // a line for each action

	mu   sync.Mutex // guards done and writing to out
	done []Action
}

// run returns when the last fault is over, and everything that was frozen goes on. It returns earlier if ctx ends, and lets
// everything go on then, too.
func (n *nemesis) run(ctx context.Context, plan []Action) {
	var running sync.WaitGroup
	begun := time.Now()
	for _, a := range plan {
		if !sleep(ctx, a.At-time.Since(begun)) {
			break
		}
		running.Go(func() {
			a.Began, a.Result = time.Now(), ""
			if err := n.act(ctx, a); err != nil {
				a.Result = err.Error()
			}
			n.note(a)
		})
	}
	running.Wait()
}

func (n *nemesis) note(a Action) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.done = append(n.done, a)
	_, _ = fmt.Fprintln(n.out, a)
}

// act returns when the fault is over; one that was only sent is over when the process may come back.
func (n *nemesis) act(ctx context.Context, a Action) error {
	if link, ok := n.world.links[a.Target]; ok && a.Fault.isOfLinks() {
		disturb(ctx, link, a.Fault, a.Pause)
		return nil
	}
	p := n.world.processes[a.Target]
	switch a.Fault {
	case FaultRefuse:
		return n.world.refuseLetters(ctx, a.Pause)
	case FaultFreeze:
		resume, err := p.freeze()
		if err != nil {
			return err
		}
		defer resume()
		sleep(ctx, a.Pause)
		return nil
	default:
		sig := syscall.SIGKILL
		if a.Fault == FaultTerm {
			sig = syscall.SIGTERM
		}
		err := p.hurt(sig, a.Pause)
		sleep(ctx, a.Pause)
		return err
	}
}

// sleep reports whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

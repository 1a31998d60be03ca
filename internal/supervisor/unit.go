package supervisor

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/demand"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/process"
)

// unit is one function: the loop over (desired, actual). Other goroutines change what mu guards and wake the loop with look.
type unit struct {
	sup  *Supervisor
	key  function.Key
	log  *zap.Logger
	load *load
	kick chan struct{}      // one place; anybody fills it
	ctx  context.Context    // ends when the function is removed or the supervisor stops
	stop context.CancelFunc //
	work sync.WaitGroup     // replicas and setups

	mu      sync.Mutex    // guards all below; released with release
	events  []Event       // to be told once mu is free
	changed chan struct{} // closed and replaced when a replica or a setup has changed: for those who wait

	fn         *function.Function // the version that serves; nil before the first setup
	path       string             // its program, resolved
	policy     demand.Policy
	generation int
	setup      setup

	replicas []*replica
	numbers  int // of replicas so far
	tracker  tracker
	resume   time.Time // no start before; zero without a back-off
	backoff  string
	failures int // starts that failed, ever
	restarts int
	lastExit *Exit
	times    *StartTimes

	held     *int // replicas that somebody holds it at, whatever waits
	decision demand.Decision
	decided  time.Time
	enough   time.Time     // when all wanted replicas were needed last
	busy     int           // events in work, now or on average since the last look
	service  time.Duration // last measured
	direct   int           // direct calls that wait or run
}

func (s *Supervisor) newUnit(ctx context.Context, fn *function.Function) *unit {
	u := &unit{
		sup: s, key: fn.Key(), log: s.cfg.Logger.With(zap.String("function", fn.Key().String())),
		load: &load{next: s.cfg.Recorder}, kick: make(chan struct{}, 1), changed: make(chan struct{}),
		setup: newSetup(fn),
	}
	u.ctx, u.stop = context.WithCancel(ctx)
	return u
}

// look makes the loop look again. It never blocks.
func (u *unit) look() {
	select {
	case u.kick <- struct{}{}:
	default:
	}
}

// tell notes an event; release sends it. The caller holds mu.
func (u *unit) tell(e Event) {
	e.Time, e.Function = time.Now(), u.key
	u.events = append(u.events, e)
}

// release unlocks mu and then tells what was noted, so that whoever is told may ask for the status.
func (u *unit) release() {
	events := u.events
	u.events = nil
	u.mu.Unlock()
	for _, e := range events {
		u.sup.cfg.OnEvent(e)
	}
}

// broadcast wakes the loop and everybody who waits for a change. The caller holds mu.
func (u *unit) broadcast() {
	close(u.changed)
	u.changed = make(chan struct{})
	u.look()
}

// run is the loop. It returns when ctx has ended and nothing of the function is left.
func (u *unit) run() {
	defer u.work.Wait()
	defer u.stop()
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	for u.ctx.Err() == nil {
		now := time.Now()
		u.beginSetup(now)
		if wait := u.pass(now); wait > 0 {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-u.ctx.Done():
		case <-u.kick:
		case <-timer.C:
		}
	}
}

// begin starts one replica. The caller holds mu.
func (u *unit) begin(now time.Time) {
	u.numbers++
	r := &replica{
		unit: u, fn: u.fn, path: u.path, generation: u.generation, number: u.numbers, serial: u.sup.serial.Add(1),
		name: replicaName(u.fn, u.numbers), decided: now, tail: process.NewTail(tailLines, tailLineLen),
	}
	for i := range r.output {
		r.output[i] = process.NewLineWriter(process.LineConfig{}, func(line string) {
			u.sup.cfg.OnOutput(Output{Function: u.key, Replica: r.name, Stderr: i == 1, Line: line})
		})
	}
	r.ctx, r.drain = context.WithCancelCause(u.ctx)
	u.replicas = append(u.replicas, r)
	u.work.Add(1)
	go r.run()
}

// spawned notes the process of a replica.
func (u *unit) spawned(r *replica, p *process.Process) {
	u.mu.Lock()
	defer u.release()
	r.proc = p
}

// ready notes that a replica accepts calls.
func (u *unit) ready(r *replica) {
	u.mu.Lock()
	defer u.release()
	if r.state != starting {
		return // it shall drain already
	}
	r.state = ready
	if r.generation == u.generation {
		u.resume, u.backoff = time.Time{}, ""
	}
	now := time.Now()
	u.times = &StartTimes{Replica: r.name, At: r.decided, Ready: now.Sub(r.decided)}
	if r.proc != nil {
		u.times.Spawned = r.proc.Started().Sub(r.decided)
	}
	u.tell(Event{Kind: EventReady, Replica: r.name, Took: u.times.Ready})
	u.broadcast()
}

// failed notes that a replica has come to an end that nobody asked for, and decides when the next may start.
func (u *unit) failed(r *replica, cause error) {
	u.mu.Lock()
	defer u.release()
	now, served := time.Now(), r.state == ready
	kind := EventStartFailed
	if served {
		kind = EventExited
	} else {
		u.failures++
	}
	exit := &Exit{Code: -1}
	if r.proc != nil {
		select {
		case <-r.proc.Done():
			*exit = exitOf(r.proc.Exit())
		default:
			exit.Uptime = now.Sub(r.proc.Started())
		}
	}
	exit.Replica, exit.At, exit.Reason, exit.Stderr, exit.Ready = r.name, now, cause.Error(), r.tail.Lines(), served
	u.lastExit = exit
	r.state = draining
	u.restarts++
	if r.generation == u.generation {
		_, delay, why := u.tracker.ended(end{ready: served, uptime: exit.Uptime})
		u.resume, u.backoff = now.Add(delay), why
	}
	u.tell(Event{Kind: kind, Replica: r.name, Text: exit.Reason, Lines: exit.Stderr})
	u.broadcast()
}

// over forgets a replica of which nothing is left.
func (u *unit) over(r *replica) {
	r.drain(errAsked)
	u.mu.Lock()
	defer u.release()
	for i, other := range u.replicas {
		if other == r {
			u.replicas = append(u.replicas[:i:i], u.replicas[i+1:]...)
			break
		}
	}
	u.broadcast()
}

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/process"
	"github.com/pelton-dev/pelton/internal/sidecar"
)

// How much of a handler's stderr is kept for errors.
const (
	tailLines   = 20
	tailLineLen = 500
)

// replica is one handler with its sidecar. Its goroutine, run, owns it; what other goroutines look at is guarded by unit.mu.
type replica struct {
	unit       *unit
	fn         *function.Function // the version it serves
	path       string             // the handler's program, resolved; "" is resolved by the start
	generation int
	number     int    // within the function, ascending
	serial     uint64 // within the supervisor
	name       string
	decided    time.Time       // when its start was decided
	ctx        context.Context // ends when the replica shall drain; its cause is why
	drain      context.CancelCauseFunc

	link       link
	referenced []string               // the handler's variables from secrets and config maps
	output     [2]*process.LineWriter // stdout and stderr
	tail       *process.Tail          // of stderr

	// guarded by unit.mu
	state   state
	proc    *process.Process // nil for exec, and before the start
	sidecar *sidecar.Sidecar
	calls   int       // direct calls that run on it
	deaf    time.Time // since when its handler was seen not to accept calls any more; zero if it does
}

// errAsked is the end that somebody asked for. errDeaf is the end of a handler that lives but accepts no calls any more.
var (
	errAsked = errors.New("asked to drain")
	errDeaf  = errors.New("handler stopped accepting calls and did not come back")
)

// run is the whole life of the replica.
func (r *replica) run() {
	defer r.unit.work.Done()
	defer r.unit.over(r)
	defer r.flushOutput()
	defer r.closeLink()
	if err := r.openLink(); err != nil {
		r.unit.failed(r, err)
		return
	}
	if err := r.spawn(); err != nil {
		r.unit.failed(r, err)
		return
	}
	d, err := r.deliver()
	if err != nil {
		r.unit.failed(r, err)
		r.stopProcess()
		return
	}
	err = r.watch(d)
	if !errors.Is(err, errAsked) {
		r.unit.failed(r, err)
	}
	r.finish(d, err)
}

// spawn starts the handler's process. For exec there is none, but its program must exist.
func (r *replica) spawn() error {
	h := r.fn.Spec.Handler
	if h.Protocol == function.ProtocolExec {
		_, err := process.LookPath(r.execCommand()[0], r.fn.Origin.Dir, handlerEnv(r.fn))
		return err
	}
	proc, err := process.Start(process.Config{
		Command: h.Command, Path: r.path, Dir: r.fn.Origin.Dir, Env: r.environment(),
		Stdout: r.output[0], Stderr: r.stderr(), Guard: r.unit.sup.cfg.Guard,
	})
	if err != nil {
		return err
	}
	r.unit.spawned(r, proc)
	return nil
}

// stderr goes to the terminal and into the memory for errors.
func (r *replica) stderr() io.Writer { return io.MultiWriter(r.output[1], r.tail) }

// delivery is a running sidecar.
type delivery struct {
	sidecar *sidecar.Sidecar
	stop    context.CancelFunc
	done    chan error // receives once
}

// deliver starts the sidecar, while the process still starts: it waits for the handler by itself.
func (r *replica) deliver() (*delivery, error) {
	u := r.unit
	sc, err := sidecar.New(u.sup.nc, r.link.inv, sidecar.Config{
		Function: r.fn, Replica: r.name, StartedAt: r.decided, DrainTimeout: r.drainTimeout(),
		Recorder: u.load, Metrics: u.sup.cfg.Metrics, Logger: u.sup.cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("make sidecar: %w", err)
	}
	u.mu.Lock()
	r.sidecar = sc
	u.release()
	ctx, stop := context.WithCancel(context.WithoutCancel(r.ctx))
	d := &delivery{sidecar: sc, stop: stop, done: make(chan error, 1)}
	go func() { d.done <- sc.Run(ctx) }()
	return d, nil
}

// drainTimeout lets every call end by its own deadline. Shutdown does not wait that long: it cuts the sidecar's drain.
func (r *replica) drainTimeout() time.Duration {
	return max(time.Duration(r.fn.Spec.Timeout), r.unit.sup.cfg.DrainTimeout) + time.Second
}

// watch waits for the end of the replica and says why it has come.
func (r *replica) watch(d *delivery) error {
	timeout := time.NewTimer(r.unit.sup.cfg.StartTimeout)
	defer timeout.Stop()
	select {
	case <-d.sidecar.Ready():
		r.unit.ready(r)
	case <-r.ctx.Done():
		return r.drainCause()
	case <-r.exited():
		return r.exitError("before it accepted calls")
	case <-timeout.C:
		return r.lateError()
	case err := <-d.done:
		d.done <- err
		return fmt.Errorf("sidecar ended: %w", err)
	}
	select {
	case <-r.ctx.Done():
		return r.drainCause()
	case <-r.exited():
		return r.exitError("while it was serving")
	case err := <-d.done:
		d.done <- err
		return fmt.Errorf("sidecar ended: %w", err)
	}
}

// drainCause is why the replica shall drain: because somebody asked, unless it was given up.
func (r *replica) drainCause() error {
	if errors.Is(context.Cause(r.ctx), errDeaf) {
		return errDeaf
	}
	return errAsked
}

// exited is closed when the process is over; never for exec.
func (r *replica) exited() <-chan struct{} {
	if r.proc == nil {
		return nil
	}
	return r.proc.Done()
}

func (r *replica) exitError(when string) error {
	return fmt.Errorf("handler ended %s: %v", when, r.proc.Exit())
}

// lateError says what the handler should have done.
func (r *replica) lateError() error {
	what := "listen on " + r.link.address
	if r.fn.Spec.Handler.Protocol == function.ProtocolStream {
		what = "connect to " + r.link.address
	}
	return fmt.Errorf("handler did not %s within %v", what, r.unit.sup.cfg.StartTimeout)
}

// finish ends the replica. A handler that lives is stopped after its calls, also one that only stopped listening; one that
// is gone lets its calls fail at once.
func (r *replica) finish(d *delivery, cause error) {
	gone := false
	select {
	case <-r.exited():
		gone = true
	default:
		gone = !errors.Is(cause, errAsked) && !errors.Is(cause, errDeaf)
	}
	if gone {
		r.stopProcess()
	}
	d.stop()
	select {
	case <-d.done:
	case <-r.unit.sup.cut.Done():
		d.sidecar.Cut()
		<-d.done
	}
	r.unit.awaitCalls(r)
	if !gone {
		r.hangUp()
		r.stopProcess()
	}
}

// stopProcess ends the process, and then what of it has left its group.
func (r *replica) stopProcess() {
	cfg := r.unit.sup.cfg
	if r.proc != nil {
		r.proc.Stop(cfg.StopGrace)
	}
	if cfg.Guard == nil {
		return
	}
	if n, err := process.KillStale(cfg.Guard.RunID(), r.identity()...); err != nil {
		r.unit.log.Warn("processes of the replica are left", zap.String("replica", r.name), zap.Error(err))
	} else if n > 0 {
		r.unit.log.Info("killed processes that had left their group", zap.String("replica", r.name), zap.Int("processes", n))
	}
}

func (r *replica) flushOutput() {
	for _, w := range r.output {
		_ = w.Close()
	}
}

package supervisor

import (
	"fmt"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/process"
)

// buildInTurn builds when few enough others do.
func (u *unit) buildInTurn(fn *function.Function) error {
	if !u.sup.builds.TryAcquire(1) {
		u.mu.Lock()
		u.setup.build = &BuildStatus{State: BuildWaiting, At: time.Now()}
		u.release()
		if err := u.sup.builds.Acquire(u.ctx, 1); err != nil {
			return err
		}
	}
	defer u.sup.builds.Release(1)
	return u.build(fn)
}

// build runs handler.build in the function's directory. What it writes is kept for its error and shown line by line.
func (u *unit) build(fn *function.Function) error {
	begun := time.Now()
	u.noteBuild(&BuildStatus{State: BuildRunning, At: begun}, Event{Kind: EventBuild})
	tail := process.NewTail(tailLines, tailLineLen)
	lines := process.NewLineWriter(process.LineConfig{}, func(line string) {
		_, _ = tail.Write([]byte(line + "\n"))
		u.sup.cfg.OnOutput(Output{Function: u.key, Stderr: true, Line: line})
	})
	err := u.runBuild(fn, lines)
	_ = lines.Close()
	status := &BuildStatus{State: BuildDone, At: begun, Duration: time.Since(begun)}
	e := Event{Kind: EventBuilt, Took: status.Duration}
	if err != nil {
		err = fmt.Errorf("handler.build: %w", err)
		status.State, status.Error, status.Output = BuildFailed, err.Error(), tail.Lines()
		e.Kind, e.Text, e.Lines = EventBuildFailed, err.Error(), tail.Lines()
	}
	u.noteBuild(status, e)
	return err
}

// noteBuild keeps the state of a build, and from when to when changed files may be its output.
func (u *unit) noteBuild(status *BuildStatus, e Event) {
	u.mu.Lock()
	defer u.release()
	u.setup.build = status
	if status.State == BuildRunning {
		u.setup.changes.buildBegins(status.At)
	} else {
		u.setup.changes.buildEnds(time.Now())
	}
	u.tell(e)
	u.broadcast()
}

func (u *unit) runBuild(fn *function.Function, out *process.LineWriter) error {
	cfg := u.sup.cfg
	env := append(handlerEnv(fn), "PELTON_FUNCTION="+fn.Metadata.Name, "PELTON_NAMESPACE="+fn.Metadata.Namespace)
	p, err := process.Start(process.Config{
		Command: fn.Spec.Handler.Build, Dir: fn.Origin.Dir, Env: env, Stdout: out, Stderr: out, Guard: cfg.Guard,
	})
	if err != nil {
		return err
	}
	timeout := time.NewTimer(cfg.BuildTimeout)
	defer timeout.Stop()
	select {
	case <-p.Done():
	case <-u.ctx.Done():
		p.Stop(cfg.StopGrace)
		return u.ctx.Err()
	case <-timeout.C:
		p.Stop(cfg.StopGrace)
		return fmt.Errorf("not done within %v", cfg.BuildTimeout)
	}
	if e := p.Exit(); e.Code != 0 {
		return fmt.Errorf("%v", e)
	}
	return nil
}

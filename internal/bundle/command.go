package bundle

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/process"
)

// stopGrace is how long a build has to end after it was asked to.
const stopGrace = 5 * time.Second

// runBuild runs the manifest's build command, as `pelton up` does before the first start.
func (b *build) runBuild() error {
	h := b.fn.Spec.Handler
	if len(h.Build) == 0 {
		return nil
	}
	return b.run(h.Build, nil)
}

// run runs a command in the function's folder to its end.
func (b *build) run(command, env []string) error {
	all := append(os.Environ(), "PELTON_FUNCTION="+b.fn.Metadata.Name, "PELTON_NAMESPACE="+b.fn.Metadata.Namespace)
	for _, v := range b.fn.Spec.Handler.Env {
		all = append(all, v.Name+"="+v.Value)
	}
	out := b.cfg.Output
	if out == nil {
		out = io.Discard
	}
	p, err := process.Start(process.Config{
		Command: command, Dir: b.fn.Origin.Dir, Env: append(all, env...), Stdout: out, Stderr: out,
	})
	if err != nil {
		return &Error{Message: "handler.build", Cause: err, Hint: "install it, or correct handler.build in " + b.fn.Origin.File}
	}
	select {
	case <-p.Done():
	case <-b.ctx.Done():
		p.Stop(stopGrace)
		return b.ctx.Err()
	}
	if exit := p.Exit(); exit.Code != 0 {
		return &Error{
			Message: fmt.Sprintf("handler.build: %s", strings.Join(command, " ")), Cause: errors.New(exit.String()),
			Hint: "its own words are above",
		}
	}
	return nil
}

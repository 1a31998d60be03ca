package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

const (
	coldRuns     = 30
	coldCooldown = 200 * time.Millisecond // so that a function is soon at zero again
	coldData     = `{"name":"you"}`
)

// coldHandler is a function that is at zero, with what the floor needs to start its handler without Pelton.
type coldHandler struct {
	language string
	fn       *function.Function
	dir      string
	command  []string // the program resolved: asking a version manager for it costs more than the rest

	floor, ours []float64 // ms
}

// coldStart publishes to functions at zero and waits for the acknowledgement that follows the handler's answer. The floor is
// what no host can do without: an event comes to a waiting puller, the process starts, is seen to accept calls, and answers.
func coldStart(ctx context.Context, r *rig, t *table) error {
	program, folder := filepath.Join(r.dir, "pelton"), filepath.Join(r.dir, "cold")
	if err := r.build(ctx, "cmd/pelton", program); err != nil {
		return err
	}
	handlers, err := r.coldHandlers(ctx, program, folder)
	if err != nil {
		return err
	}
	m, err := r.up(ctx, program, folder)
	if err != nil {
		return err
	}
	defer m.stop()
	f, err := r.newFloor(ctx, m)
	if err != nil {
		return err
	}
	for range r.opts.few(coldRuns) {
		for _, h := range handlers {
			if err := h.measure(ctx, m, f); err != nil {
				return fmt.Errorf("%s: %w", h.language, err)
			}
		}
	}
	if err := m.allDone(ctx); err != nil {
		return err
	}
	for _, h := range handlers {
		h.rows(t, "p50", 0.5, "floor + 5 ms or less")
		h.rows(t, "p99", 0.99, "")
	}
	return nil
}

func (h *coldHandler) rows(t *table, name string, q float64, goal string) {
	floor, ours := quantile(h.floor, q), quantile(h.ours, q)
	t.add(fmt.Sprintf("cold start, %s, %s, ms", h.language, name), fmt.Sprintf("%.1f", floor), fmt.Sprintf("%.1f", ours),
		fmt.Sprintf("%+.1f ms", ours-floor), goal)
}

// interpreter is a language whose handlers `pelton new` writes, and how it tells where it really is.
type interpreter struct{ language, program, flag, tell, file string }

func interpreters() []interpreter {
	return []interpreter{
		{"python", "python3", "-c", "import sys; print(sys.executable)", "handler.py"},
		{"node", "node", "-p", "process.execPath", "handler.js"},
	}
}

// coldHandlers writes the functions: the example in Go, and the templates of the languages that are installed.
func (r *rig) coldHandlers(ctx context.Context, program, folder string) ([]*coldHandler, error) {
	golang := &coldHandler{language: "go", dir: filepath.Join(folder, "cold-go")}
	golang.command = []string{filepath.Join(golang.dir, "hello")}
	if err := r.build(ctx, "functions/examples/hello", golang.command[0]); err != nil {
		return nil, err
	}
	handlers := []*coldHandler{golang}
	if err := golang.write(transports()[2], "./hello"); err != nil {
		return nil, err
	}
	for _, l := range interpreters() {
		path, err := exec.CommandContext(ctx, l.program, l.flag, l.tell).Output()
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: coldstart: %s is SKIPPED, %s does not run: %v\n", l.language, l.program, err)
			continue
		}
		h := &coldHandler{language: l.language, dir: filepath.Join(folder, "cold-"+l.language)}
		h.command = []string{strings.TrimSpace(string(path)), l.file}
		made := exec.CommandContext(ctx, program, "new", "cold-"+l.language, "--lang", l.language, "--dir", h.dir)
		if out, err := made.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("pelton new: %w: %s", err, out)
		}
		if err := h.write(transports()[0], l.program, l.file); err != nil {
			return nil, err
		}
		handlers = append(handlers, h)
	}
	return handlers, nil
}

// write writes the manifest, with the command as a user gives it.
func (h *coldHandler) write(t transport, command ...string) error {
	name := "cold-" + h.language
	h.fn = newFunction(name, t, "events.bench."+name)
	h.fn.Spec.Handler.Command = command
	h.fn.Spec.Concurrency = 1
	h.fn.Spec.Scale = function.Scale{MaxReplicas: 1, Cooldown: function.Duration(coldCooldown)}
	return writeManifest(h.dir, h.fn)
}

// measure takes one floor and one cold start, and waits for zero again.
func (h *coldHandler) measure(ctx context.Context, m *machine, f *floor) error {
	delivered, err := f.deliver(ctx)
	if err != nil {
		return fmt.Errorf("deliver to a bare puller: %w", err)
	}
	started, err := f.start(ctx, h)
	if err != nil {
		return fmt.Errorf("start the handler alone: %w", err)
	}
	h.floor = append(h.floor, milliseconds(delivered+started))
	time.Sleep(20 * time.Millisecond) // the handler that was stopped is gone
	took, err := h.run(ctx, m)
	if err != nil {
		return err
	}
	h.ours = append(h.ours, milliseconds(took))
	return m.atZero(ctx)
}

// run returns the time from the publish of an event until its acknowledgement.
func (h *coldHandler) run(ctx context.Context, m *machine) (time.Duration, error) {
	c := stream.ConsumersOf(h.fn)[0]
	acks, err := m.nc.SubscribeSync("$JS.ACK." + c.Stream + "." + c.Name + ".>")
	if err != nil {
		return 0, err
	}
	defer func() { _ = acks.Unsubscribe() }()
	if err := m.nc.Flush(); err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := m.js.PublishMsgAsync(benchEvent(c.Filters[0], 0, []byte(coldData))); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, waitStart)
	defer cancel()
	for {
		ack, err := acks.NextMsgWithContext(ctx)
		took := time.Since(began)
		if err != nil {
			return 0, fmt.Errorf("wait for the acknowledgement: %w", err)
		}
		switch body := string(ack.Data); body {
		case "+ACK":
			return took, nil
		case "+WPI":
		default:
			return 0, errors.New("the event was handed back: " + body)
		}
	}
}

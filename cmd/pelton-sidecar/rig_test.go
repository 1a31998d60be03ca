package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// process is a running sidecar.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  string        // file with its stderr
	done chan struct{} // closed when it has ended
}

// manifest is a function on events.fn whose handler is for a sidecar.
func manifest(t *testing.T, change ...func(*function.Spec)) string {
	t.Helper()
	fn := &function.Function{APIVersion: function.APIVersion, Kind: function.Kind}
	fn.Metadata.Name = "fn"
	fn.Spec.Triggers = []function.Trigger{{Event: &function.EventTrigger{Subjects: []string{"events.fn"}}}}
	fn.Spec.Handler.Command = []string{os.Args[0]}
	fn.Spec.Concurrency = 1
	fn.Spec.Retry.MinBackoff = function.Duration(50 * time.Millisecond)
	fn.Spec.Retry.MaxBackoff = function.Duration(100 * time.Millisecond)
	fn.Spec.Scale.Cooldown = function.Duration(time.Second)
	for _, c := range change {
		c(&fn.Spec)
	}
	text, err := json.Marshal(fn)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// start starts a sidecar with that environment, and ends it with the test.
func start(t *testing.T, env ...string) *process {
	t.Helper()
	p := &process{t: t, log: filepath.Join(t.TempDir(), "log"), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"), roleEnv+"="+roleSidecar,
		"PELTON_HEALTH_ADDRESS=127.0.0.1:0")
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.finish)
	return p
}

func (p *process) finish() {
	_ = p.cmd.Process.Kill()
	<-p.done
	if p.t.Failed() {
		p.t.Logf("the sidecar wrote:\n%s", p.output())
	}
}

func (p *process) output() string {
	data, _ := os.ReadFile(p.log)
	return string(data)
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end waits for the end of the process and returns its exit code, -1 after a signal.
func (p *process) end() int {
	p.t.Helper()
	waittest.Eventually(p.t, func() error {
		select {
		case <-p.done:
			return nil
		default:
			return errors.New("the sidecar runs")
		}
	})
	return p.cmd.ProcessState.ExitCode()
}

// address is where its probes are answered, from its log.
func (p *process) address() string {
	p.t.Helper()
	address := ""
	waittest.Eventually(p.t, func() error {
		for line := range strings.Lines(p.output()) {
			var entry struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "probes are answered" {
				address = entry.Address
				return nil
			}
		}
		return errors.New("it does not say where probes are answered: " + p.output())
	})
	return address
}

// get asks one of the probes.
func (p *process) get(path string) (int, string) {
	p.t.Helper()
	res, err := http.Get("http://" + p.address() + path)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, strings.TrimSpace(string(body))
}

// await waits until a probe answers with the status, and a text in the body.
func (p *process) await(path string, status int, part string) {
	p.t.Helper()
	waittest.Eventually(p.t, func() error {
		if got, body := p.get(path); got != status || !strings.Contains(body, part) {
			return fmt.Errorf("%s: %d %s, want %d %s", path, got, body, status, part)
		}
		return nil
	})
}

// queue is the server's side.
type queue struct {
	t   *testing.T
	js  jetstream.JetStream
	url string
}

// newQueue starts a server that has the streams and consumers.
func newQueue(t *testing.T) (*natstest.Server, *queue) {
	t.Helper()
	srv := natstest.Start(t, natstest.Listen())
	q := &queue{t: t, js: srv.JetStream(t), url: srv.URL()}
	fns, problems := function.Parse([]byte(manifest(t)), "test")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if _, err := stream.Ensure(t.Context(), q.js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.EnsureFunction(t.Context(), q.js, fns[0]); err != nil {
		t.Fatal(err)
	}
	return srv, q
}

// publish stores an event.
func (q *queue) publish(id string) {
	q.t.Helper()
	m := &nats.Msg{Subject: "events.fn", Data: []byte("x"), Header: nats.Header{
		"ce-specversion": {"1.0"}, "ce-id": {id}, "ce-source": {"//test"}, "ce-type": {"test"}, "content-type": {"text/plain"},
	}}
	ctx, cancel := context.WithTimeout(q.t.Context(), 30*time.Second)
	defer cancel()
	if _, err := q.js.PublishMsg(ctx, m); err != nil {
		q.t.Fatal(err)
	}
}

// awaitAcked waits until so many events are acknowledged and none is under way.
func (q *queue) awaitAcked(n uint64) {
	q.t.Helper()
	waittest.Eventually(q.t, func() error {
		info, err := q.info()
		if err == nil && (info.AckFloor.Stream < n || info.NumAckPending > 0) {
			return fmt.Errorf("acknowledged up to %d, %d under way", info.AckFloor.Stream, info.NumAckPending)
		}
		return err
	})
}

func (q *queue) info() (*jetstream.ConsumerInfo, error) {
	ctx, cancel := context.WithTimeout(q.t.Context(), 5*time.Second)
	defer cancel()
	c, err := q.js.Consumer(ctx, stream.EventsStream,
		stream.EventConsumer(function.Key{Namespace: "default", Name: "fn"}))
	if err != nil {
		return nil, err
	}
	return c.Info(ctx)
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !bytes.Contains([]byte(text), []byte(part)) {
			t.Errorf("no %q in %q", part, text)
		}
	}
}

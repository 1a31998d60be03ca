package functions_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
	"github.com/pelton-dev/pelton/internal/waittest"
)

const (
	handlerEnv = "PELTON_FUNCTIONS_TEST_HANDLER"
	patience   = 60 * time.Second
)

// TestMain makes the test binary a handler program when it is started as one.
func TestMain(m *testing.M) {
	if os.Getenv(handlerEnv) == "" {
		os.Exit(m.Run())
	}
	serve := func() error { return functions.Serve(behave) }
	if os.Getenv(handlerEnv) == "batch" {
		serve = func() error { return functions.ServeBatch(behaveBatch) }
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// behave does what the event's type says.
func behave(ctx context.Context, e event.Event) (*event.Event, error) {
	switch e.Type() {
	case "mirror":
		return &e, nil
	case "bare reply":
		reply := event.New()
		reply.SetType("pong")
		return &reply, nil
	case "bad reply":
		reply := event.New()
		reply.SetSource("%zz")
		return &reply, nil
	case "large reply":
		reply := e.Clone()
		reply.DataEncoded = make([]byte, 2<<20)
		return &reply, nil
	case "error":
		return nil, errors.New("the disk is\nfull \xff")
	case "retry":
		return nil, fmt.Errorf("store: %w", functions.Retry(7*time.Second, errors.New("busy")))
	case "retry soon":
		return nil, functions.Retry(0)
	case "reject":
		return nil, fmt.Errorf("order 7: %w", functions.Reject("unknown customer"))
	case "panic":
		var m map[string]int
		m["x"] = 1 //nolint:staticcheck // SA5000: the panic is the case
	case "goexit":
		runtime.Goexit()
	case "exit":
		os.Exit(3)
	case "delivery":
		return delivery(ctx)
	case "hang":
		<-ctx.Done()
		canceled.Add(1)
		return nil, ctx.Err()
	case "canceled":
		return text(strconv.Itoa(int(canceled.Load()))), nil
	case "wait for file":
		return nil, waitForFile(ctx, string(e.Data()))
	}
	return nil, nil
}

var canceled atomic.Int32 // contexts that ended in "hang", in the handler process

func text(s string) *event.Event {
	e := event.New()
	e.SetType("text")
	_ = e.SetData("text/plain", s)
	return &e
}

func delivery(ctx context.Context) (*event.Event, error) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	d := functions.FromContext(inner)
	reply := fmt.Sprintf("%s %s %s %d %d", d.Namespace, d.Function, d.Replica, d.Attempt, d.Redeliveries)
	if deadline, ok := ctx.Deadline(); ok {
		reply += fmt.Sprintf(" until %d", deadline.UnixNano())
	}
	return text(reply), nil
}

func waitForFile(ctx context.Context, path string) error {
	if err := os.WriteFile(path+".waiting", nil, 0o600); err != nil {
		return err
	}
	for {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// program is a handler process.
type program struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	exited chan struct{}
	stop   func()
}

func startProgram(t testing.TB, env ...string) *program {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{cmd: exec.Command(exe), exited: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), handlerEnv+"=one", "PELTON_FUNCTION=thumbnail", "PELTON_NAMESPACE=prod",
		"PELTON_REPLICA=thumbnail-1"), env...)
	p.cmd.Stderr = &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	p.stop = sync.OnceFunc(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
	})
	t.Cleanup(p.stop)
	return p
}

func (p *program) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// wantExit waits for the end of the process: its status and what it says.
func (p *program) wantExit(t *testing.T, code int, says string) {
	t.Helper()
	waittest.Receive(t, p.exited)
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("exit status: got %d, want %d\n%s", got, code, p.stderr.String())
	}
	if !strings.Contains(p.stderr.String(), says) {
		t.Fatalf("stderr: got %q, want it to hold %q", p.stderr.String(), says)
	}
}

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pelton")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func socketPath(t testing.TB) string { return filepath.Join(shortDir(t), "s") }

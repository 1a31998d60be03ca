package cli

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/function"
)

func TestAPortInUseNamesItsHolder(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	n, _ := strconv.Atoi(port)
	_, err = listen("port", portNumber(n))
	var e *Error
	if !errors.As(err, &e) || e.Exit != ExitConflict || !strings.Contains(e.Hint, "--port") {
		t.Fatalf("error = %#v", err)
	}
	if want := "pid " + strconv.Itoa(os.Getpid()); portHolder(n) != "" && !strings.Contains(e.Message, want) {
		t.Errorf("%q does not name %q", e.Message, want)
	}
}

func TestTheLockNamesItsHolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, err := lockState(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lockState(dir)
	var e *Error
	if !errors.As(err, &e) || e.Exit != ExitConflict || !strings.Contains(e.Message, strconv.Itoa(os.Getpid())) {
		t.Errorf("error = %#v", err)
	}
	lock.release()
	again, err := lockState(dir)
	if err != nil {
		t.Fatal(err)
	}
	again.release()
}

// TestTheLockOfTheDeadIsWaitedFor has a lock whose holder is gone: something that it had just started still keeps it.
func TestTheLockOfTheDeadIsWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, err := lockState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "lock"), []byte("1073741824\n"), 0o600); err != nil { // beyond any process id
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, lock.release)
	again, err := lockState(dir)
	if err != nil {
		t.Fatal(err)
	}
	again.release()
}

func TestStateFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if s, err := readState(dir); s != nil || err != nil {
		t.Errorf("no file: %v, %v", s, err)
	}
	want := upState{PID: os.Getpid(), RunID: "x", NATSURL: "nats://127.0.0.1:1", ControlSocket: filepath.Join(dir, "none")}
	if err := writeState(dir, &want); err != nil {
		t.Fatal(err)
	}
	got, err := readState(dir)
	if err != nil || *got != want {
		t.Errorf("state = %+v, %v", got, err)
	}
	if s, err := liveState(dir); s != nil || err != nil {
		t.Errorf("nobody listens, and yet it lives: %v, %v", s, err)
	}
	if err := os.WriteFile(filepath.Join(dir, stateFileName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readState(dir); err == nil {
		t.Error("half a file is read without an error")
	}
}

func TestTheStoreKeepsItsLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := openStore(dir)
	if err != nil || first <= 0 {
		t.Fatalf("limit = %d, %v", first, err)
	}
	if again, err := openStore(dir); again != first || err != nil {
		t.Errorf("limit = %d, then %d, %v", first, again, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "store.json"), []byte(`{"version":99,"maxStore":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = openStore(dir)
	var e *Error
	if !errors.As(err, &e) || e.Exit != ExitConflict {
		t.Errorf("a newer store: %v", err)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	stopped := func(sig os.Signal) context.Context {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(&SignalError{sig})
		return ctx
	}
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		want int
	}{
		"from the command line": {t.Context(), errors.New("unknown flag"), ExitUsage},
		"from the work":         {t.Context(), failed{errors.New("disk")}, ExitFailed},
		"with a code":           {t.Context(), failed{&Error{Exit: ExitNotFound}}, ExitNotFound},
		"interrupted":           {stopped(syscall.SIGINT), failed{context.Canceled}, ExitInterrupted},
		"terminated":            {stopped(syscall.SIGTERM), failed{context.Canceled}, ExitTerminated},
		"the terminal is gone":  {stopped(syscall.SIGHUP), failed{context.Canceled}, ExitTerminated},
		"failed while stopping": {stopped(syscall.SIGTERM), failed{errors.New("disk")}, ExitFailed},
	} {
		if got := classify(c.ctx, c.err).Exit; got != c.want {
			t.Errorf("%s: exit %d, want %d", name, got, c.want)
		}
	}
}

func TestExplainGivesExitCodes(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]int{
		context.DeadlineExceeded: ExitTimeout, nats.ErrConnectionClosed: ExitUnreachable, nats.ErrNoResponders: ExitNotFound,
	} {
		var e *Error
		if got := explain("x", err); !errors.As(got, &e) || e.Exit != want {
			t.Errorf("%v: %v, want exit %d", err, got, want)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	e := &Error{Exit: ExitConflict, Message: "port 1 is in use", Cause: errors.New("first\nsecond"), Hint: "another port"}
	var text, asJSON bytes.Buffer
	report(&text, e, false)
	report(&asJSON, e, true)
	if want := "pelton: port 1 is in use\n  cause: first\n         second\n  try: another port\n"; text.String() != want {
		t.Errorf("text = %q, want %q", text.String(), want)
	}
	want := `{"code":"conflict","exit":4,"message":"port 1 is in use: first\nsecond","hint":"another port"}` + "\n"
	if asJSON.String() != want {
		t.Errorf("json = %q, want %q", asJSON.String(), want)
	}
}

func TestMatching(t *testing.T) {
	t.Parallel()
	a, b := function.Key{Namespace: "default", Name: "a"}, function.Key{Namespace: "other", Name: "b"}
	subs := []subscription{{a, []string{"events.orders.*"}}, {b, []string{"events.>"}}, {a, []string{"events.orders.created"}}}
	if got := matching(subs, "events.orders.created"); len(got) != 2 || got[0] != a || got[1] != b {
		t.Errorf("matching = %v", got)
	}
	if got := nearest(subs[:1], "events.order.created"); !strings.Contains(got, "a listens on events.orders.*") {
		t.Errorf("nearest = %q", got)
	}
	if got := nearest(subs[:1], "something.else.altogether"); got != "" {
		t.Errorf("nearest = %q, want nothing", got)
	}
}

func TestOnlyWhatIsCloseIsSuggested(t *testing.T) {
	t.Parallel()
	commands := []string{"up", "new", "send", "invoke", "functions", "dlq", "why", "validate", "version"}
	for typed, want := range map[string]string{
		"sned": "send", "snd": "send", "functoins": "functions", "whhy": "why",
		"frobnicate": "", "x": "", "delete": "", "helo": "",
	} {
		if got := closest(typed, commands); got != want {
			t.Errorf("closest to %q is %q, want %q", typed, got, want)
		}
	}
	subs := []subscription{{function.Key{Namespace: "default", Name: "a"}, []string{"events.abc", "events.orders.>"}}}
	for subject, want := range map[string]string{
		"events.abd": "closest: a listens on events.abc", "events.xyz": "",
		"events.ordres.eu.created": "closest: a listens on events.orders.>",
	} {
		if got := nearest(subs, subject); got != want {
			t.Errorf("nearest to %q is %q, want %q", subject, got, want)
		}
	}
}

func TestOwnerOf(t *testing.T) {
	t.Parallel()
	if key, ok := ownerOf("default_thumb-nail_event0"); !ok || key != (function.Key{Namespace: "default", Name: "thumb-nail"}) {
		t.Errorf("%v, %v", key, ok)
	}
	for _, foreign := range []string{"mine", "a_b", "A_b_event0", "a_b_c_d"} {
		if key, ok := ownerOf(foreign); ok {
			t.Errorf("%s belongs to %v", foreign, key)
		}
	}
}

func TestOneLineKeepsTerminalCommandsOut(t *testing.T) {
	t.Parallel()
	if got := oneLine("a\x1b[31m\nb\tc\x00 \u009bd", 100); got != "a [31m b c d" {
		t.Errorf("%q", got)
	}
	if got := oneLine(strings.Repeat("ø", 20), 5); got != "øøøø…" {
		t.Errorf("%q", got)
	}
}

func TestNoColourOffATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if testApp().painter(&out).on {
		t.Error("colour into a buffer")
	}
}

func TestBackgroundTellsOfItsEarlyEnd(t *testing.T) {
	t.Parallel()
	b := startBackground(t.Context(), "part", func(context.Context) error { return nil })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := b.watch(ctx); err == nil {
		t.Error("no error")
	}
	b.stop()
}

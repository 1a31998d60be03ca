package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestMain lets the test binary stand for pelton and nats in scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"pelton": func() { os.Exit(Main()) },
		"nats":   natsPub,
	})
}

// natsPub is the part of the nats command that the README uses: nats pub SUBJECT DATA, a raw publish without an answer. It
// finds the server as the real one does: $NATS_URL, or port 4222.
func natsPub() {
	url := os.Getenv("NATS_URL")
	if url == "" {
		url = nats.DefaultURL
	}
	err := errors.New("usage: nats pub SUBJECT DATA")
	if len(os.Args) == 4 && os.Args[1] == "pub" {
		err = rawPublish(url, os.Args[2], os.Args[3])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "nats:", err)
		os.Exit(1)
	}
}

func rawPublish(url, subject, data string) error {
	nc, err := nats.Connect(url, nats.Timeout(30*time.Second))
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := nc.Publish(subject, []byte(data)); err != nil {
		return err
	}
	return nc.Flush()
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "await": await, "awaitfile": awaitFile, "usestate": useState, "sigkill": sigkill,
			"natsserver": natsServerCmd,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			return keepGoCaches(env)
		},
	})
}

// keepGoCaches lets the go command use what is already there: another HOME would have it fetch and compile everything again.
func keepGoCaches(env *testscript.Env) error {
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			return err
		}
		env.Setenv(name, strings.TrimSpace(string(value)))
	}
	return nil
}

// patience bounds every wait of a script.
const patience = waittest.Patience

// exits CODE PROGRAM ARGS... runs a program and checks its exit code; stdout and stderr can be checked afterwards.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := code(ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("%v exits with %d, want %d", args[1:], got, want)
	}
}

func code(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// await TEXT PROGRAM ARGS... runs a program until its stdout contains a text.
func await(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		cmd := exec.Command(args[1], args[2:]...)
		if path, err := exec.LookPath(filepath.Join(binDir(ts), args[1])); err == nil {
			cmd = exec.Command(path, args[2:]...)
		}
		cmd.Dir, cmd.Env = ts.MkAbs("."), environ(ts)
		out, err := cmd.Output()
		if strings.Contains(string(out), args[0]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%v: no %q in %q (%v)", args[1:], args[0], out, err)
		}
		<-tick.C
	}
}

// binDir is where testscript has put the programs of TestMain.
func binDir(ts *testscript.TestScript) string {
	dir, _, _ := strings.Cut(ts.Getenv("PATH"), string(os.PathListSeparator))
	return dir
}

func environ(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "NATS_URL"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// awaitfile FILE TEXT waits until a file contains a text.
func awaitFile(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(data), args[1]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no %q in %s: %q (%v)", args[1], args[0], data, err)
		}
		<-tick.C
	}
}

// usestate waits for a running pelton up and sets NATS_URL, HTTP_URL and UP_PID from its state.
func useState(ts *testscript.TestScript, _ bool, args []string) {
	dir := defaultStateDir
	if len(args) > 0 {
		dir = args[0]
	}
	s := awaitState(ts, dir)
	ts.Setenv("NATS_URL", s.NATSURL)
	ts.Setenv("HTTP_URL", s.HTTPURL)
	ts.Setenv("UP_PID", strconv.Itoa(s.PID))
}

func awaitState(ts *testscript.TestScript, dir string) *upState {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := liveState(ts.MkAbs(dir))
		if err == nil && s != nil {
			return s
		}
		if time.Now().After(deadline) {
			ts.Fatalf("pelton up does not run: %v", err)
		}
		<-tick.C
	}
}

// sigkill PID ends a process that the script started, at once, and waits until it is gone.
func sigkill(ts *testscript.TestScript, _ bool, args []string) {
	pid, err := strconv.Atoi(args[0])
	ts.Check(err)
	p, err := os.FindProcess(pid)
	ts.Check(err)
	ts.Check(p.Kill())
}

// natsserver starts a NATS server with nothing in it, and sets NATS_SERVER to its address.
func natsServerCmd(ts *testscript.TestScript, _ bool, _ []string) {
	dir, err := os.MkdirTemp(ts.MkAbs("."), "nats")
	ts.Check(err)
	n, err := startNATS(0, dir, 1<<30, zap.NewNop())
	ts.Check(err)
	ts.Defer(n.stop)
	ts.Setenv("NATS_SERVER", n.url())
}

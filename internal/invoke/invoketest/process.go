package invoketest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
)

// handlerEnv names the handler that this process is to be.
const handlerEnv = "PELTON_INVOKETEST_HANDLER"

// Main is the TestMain of a protocol's package. In a process that was started as a handler it runs that handler and exits
// when the handler returns; otherwise it runs the tests.
func Main(m *testing.M, handlers map[string]func() error) {
	name := os.Getenv(handlerEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	handler, ok := handlers[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no handler named %q\n", name)
		os.Exit(2)
	}
	if err := handler(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// HandlerEnv is the environment that makes a started test binary the named handler. A program with the race detector
// sleeps for a second before it exits, unless told not to.
func HandlerEnv(name string) []string {
	return []string{handlerEnv + "=" + name, "GORACE=" + os.Getenv("GORACE") + " atexit_sleep_ms=0"}
}

// StartProcess starts the test binary as the named handler with more environment. The returned function kills it and
// waits until it is gone; the end of the test does the same. A handler whose test process dies must call ExitWithParent.
func StartProcess(t testing.TB, name string, env ...string) (kill func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatalf("find the test binary: %v", err)
	}
	cmd := exec.Command(exe)
	cmd.Env = slices.Concat(os.Environ(), HandlerEnv(name), env)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("make pipe for handler %q: %v", name, err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start handler %q: %v", name, err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = stdin.Close()
	})
	t.Cleanup(kill)
	return kill
}

// ExitWithParent ends the handler process when the test process is gone. It is for handlers under StartProcess, whose
// standard input is a pipe that the test process holds open.
func ExitWithParent() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
}

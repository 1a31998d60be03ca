package process

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/waittest"
)

// buffer is a bytes.Buffer for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start starts a shell script and kills it at the end of the test.
func start(t *testing.T, cfg Config, script string) *Process {
	t.Helper()
	cfg.Command = []string{"sh", "-c", script}
	p, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); p.Exit() })
	return p
}

func TestExitIsData(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]Exit{
		"exit 0":        {Code: 0},
		"exit 75":       {Code: 75},
		"kill -9 $$":    {Code: -1, Signal: "SIGKILL"},
		"kill -SEGV $$": {Code: -1, Signal: "SIGSEGV"},
	} {
		e := start(t, Config{}, script).Exit()
		if e.Uptime <= 0 {
			t.Errorf("%s: uptime %v", script, e.Uptime)
		}
		e.Uptime = 0
		if e != want {
			t.Errorf("%s: got %+v, want %+v", script, e, want)
		}
	}
}

func TestInputAndOutput(t *testing.T) {
	t.Parallel()
	var out, errs buffer
	dir := t.TempDir()
	p := start(t, Config{
		Dir: dir, Env: []string{"A=b", "PATH=" + os.Getenv("PATH")},
		Stdin: strings.NewReader("in"), Stdout: &out, Stderr: &errs,
	}, `cat; echo " $A $(pwd -P)"; echo bad >&2`)
	if e := p.Exit(); e.Code != 0 || e.Err != nil {
		t.Fatal(e)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "in b "+real+"\n" {
		t.Errorf("stdout %q", got)
	}
	if errs.String() != "bad\n" {
		t.Errorf("stderr %q", errs.String())
	}
}

// TestEndlessInput is a reader that never ends, for a child that does not read it.
func TestEndlessInput(t *testing.T) {
	t.Parallel()
	p := start(t, Config{Stdin: zeros{}}, "exit 3")
	if e := p.Exit(); e.Code != 3 {
		t.Fatal(e)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestStopAsksFirst uses a loop without programs: dash can lose a signal that comes while it starts one.
func TestStopAsksFirst(t *testing.T) {
	t.Parallel()
	var out buffer
	p := start(t, Config{Stdout: &out}, `trap 'echo bye; exit 7' TERM; echo up; while :; do :; done`)
	waittest.Eventually(t, func() error { return contains(&out, "up") })
	if e := p.Stop(time.Minute); e.Code != 7 {
		t.Fatal(e)
	}
	if err := contains(&out, "bye"); err != nil {
		t.Fatal(err)
	}
	p.Kill() // after the end: nothing to signal
	if e := p.Stop(0); e.Code != 7 {
		t.Fatalf("the second Stop: %v", e)
	}
}

func TestStopKillsWhatIgnoresIt(t *testing.T) {
	t.Parallel()
	var out buffer
	p := start(t, Config{Stdout: &out}, `trap '' TERM; echo up; while :; do sleep 1; done`)
	waittest.Eventually(t, func() error { return contains(&out, "up") })
	if e := p.Stop(10 * time.Millisecond); e.Signal != "SIGKILL" {
		t.Fatal(e)
	}
}

func contains(b *buffer, s string) error {
	if got := b.String(); !strings.Contains(got, s) {
		return errors.New("no " + s + " in " + got)
	}
	return nil
}

// TestGroupEndsWithLeader leaves a child behind that holds the pipe and ignores SIGTERM.
func TestGroupEndsWithLeader(t *testing.T) {
	t.Parallel()
	var out buffer
	p := start(t, Config{Stdout: &out},
		`sh -c 'trap "" TERM; echo $$; while :; do sleep 1; done' & read x < /dev/null; sleep 0.05; exit 4`)
	if e := p.Exit(); e.Code != 4 {
		t.Fatal(e)
	}
	pid := strings.TrimSpace(out.String())
	waittest.Eventually(t, func() error {
		if _, err := os.Stat("/proc/" + pid + "/environ"); pid != "" && err == nil && !isZombie(pid) {
			return errors.New(pid + " is alive")
		}
		return nil
	})
}

// isZombie reads the state from /proc/PID/stat.
func isZombie(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// TestEscapedGrandchildDoesNotHoldUs has a grandchild in another session that keeps stdout open.
func TestEscapedGrandchildDoesNotHoldUs(t *testing.T) {
	t.Parallel()
	var out buffer
	env := append(os.Environ(), Marker+"="+NewRunID())
	p := start(t, Config{Stdout: &out, Env: env}, `setsid sh -c 'echo $$; exec sleep 1000' & sleep 0.1; exit 0`)
	if e := p.Exit(); e.Code != 0 || e.Err != nil {
		t.Fatalf("%+v", e)
	}
	_, id, _ := strings.Cut(env[len(env)-1], "=")
	if _, err := KillStale(id); err != nil {
		t.Fatal(err)
	}
}

func TestFloodIsContained(t *testing.T) {
	t.Parallel()
	tail := NewTail(5, 100)
	lines := 0
	w := NewLineWriter(LineConfig{Rate: 1, Burst: 10}, func(string) { lines++ })
	p := start(t, Config{Stdout: w, Stderr: tail},
		`i=0; while [ $i -lt 20000 ]; do echo flood $i; echo err $i >&2; i=$((i+1)); done; head -c 9000000 /dev/zero >&2`)
	if e := p.Exit(); e.Code != 0 {
		t.Fatal(e)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Dropped() == 0 || uint64(lines) >= 20000 {
		t.Errorf("%d lines passed, %d dropped", lines, w.Dropped())
	}
	got := tail.Lines()
	if len(got) != 5 || got[3] != "err 19999" || len(got[4]) != 100 {
		t.Errorf("tail %q", got)
	}
}

func TestCannotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("plain", "text", 0o644)
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "command is empty"},
		{Config{Command: []string{"no-such-program-here"}}, "not found in $PATH"},
		{Config{Command: []string{"./gone"}, Dir: dir}, "gone does not exist"},
		{Config{Command: []string{"./plain"}, Dir: dir}, "is not executable (chmod +x)"},
		{Config{Command: []string{"/"}}, "is a directory"},
		{Config{Command: []string{write("script", "#!/no/such/sh\n", 0o755)}}, "the interpreter in its first line"},
		{Config{Command: []string{write("junk", "\x00\x01", 0o755)}}, "without a #! line"},
		{Config{Command: []string{"true"}, Dir: filepath.Join(dir, "none")}, "working directory"},
	} {
		_, err := Start(c.cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %q", c.cfg.Command, err, c.want)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			p, err := Start(Config{Command: []string{"true"}})
			if err != nil {
				t.Error(err)
				return
			}
			if e := p.Stop(time.Minute); e.Code != 0 && e.Signal != "SIGTERM" {
				t.Error(e)
			}
		})
	}
	wg.Wait()
}

package supervisor

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
)

func functionIn(dir string, command ...string) *function.Function {
	fn := &function.Function{}
	fn.Origin.Dir, fn.Spec.Handler.Command = dir, command
	return fn
}

func TestIsSource(t *testing.T) {
	t.Parallel()
	fn := functionIn("/f", "python3", "run.dat", "/abs/x.bin")
	for _, c := range []struct {
		path    string
		existed bool
		want    bool
	}{
		{"/f/new.py", false, true},
		{"/f/sub/x.TS", false, true},
		{"/f/config.json", true, true},
		{"/f/config.json", false, false},
		{"/f/handler", true, true},
		{"/f/a.log", true, false},
		{"/f/a.db-wal", true, false},
		{"/f/a.png", false, false},
		{"/f/run.dat", true, true},
		{"/abs/x.bin", false, true},
		{"/f/.env", true, true},
	} {
		if got := isSource(fn, change{c.path, c.existed}); got != c.want {
			t.Errorf("%s existed=%v: %v", c.path, c.existed, got)
		}
	}
}

// TestSelfWrittenFileIsMuted is a handler that writes a file of its own whenever it starts.
func TestSelfWrittenFileIsMuted(t *testing.T) {
	t.Parallel()
	c, fn, now := newChanges(), functionIn("/f"), time.Now()
	for i := range 20 {
		yes, muted := c.relevant(fn, change{"/f/state.json", true}, now.Add(time.Duration(i)*time.Second))
		if yes != (i < muteAfter) || muted != (i == muteAfter) {
			t.Fatalf("change %d: %v, %v", i, yes, muted)
		}
	}
	if got := c.mutedPaths(); !slices.Equal(got, []string{"/f/state.json"}) {
		t.Errorf("muted %q", got)
	}
	for i := range 20 { // a person saves again and again, but not that fast
		if yes, _ := c.relevant(fn, change{"/f/a.py", true}, now.Add(time.Duration(i)*muteWindow/3)); !yes {
			t.Fatalf("save %d was ignored", i)
		}
	}
}

func TestBuildOutputsAreNoEdits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c, fn, now := newChanges(), functionIn(dir), time.Now()
	is := func(path string, existed bool) bool {
		yes, _ := c.relevant(fn, change{path, existed}, now)
		return yes
	}
	bundle, program, script, made := file("bundle.json", 0o644), file("prog", 0o755), file("x.sh", 0o755), file("new.go", 0o644)
	c.buildBegins(now)
	if is(program, true) || is(made, false) {
		t.Error("a program or a new file counts as an edit")
	}
	if !is(bundle, true) || !is(script, true) {
		t.Error("an edit during a build is missed")
	}
	if is(bundle, true) {
		t.Error("an edit counts twice")
	}
	c.buildEnds(time.Now())
	c.buildBegins(now)
	c.buildEnds(time.Now().Add(time.Second)) // the files are from within the build, whenever we hear of them
	if is(bundle, true) {
		t.Error("a file that each build writes counts as an edit")
	}
	if err := os.Chtimes(bundle, now.Add(time.Hour), now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if !is(bundle, true) {
		t.Error("an edit after the build is missed")
	}
	if err := os.Remove(bundle); err != nil {
		t.Fatal(err)
	}
	if !is(bundle, true) {
		t.Error("a removal is missed")
	}
}

func TestOwners(t *testing.T) {
	t.Parallel()
	unitOf := func(fn *function.Function) *unit { return &unit{setup: newSetup(fn)} }
	a, b := unitOf(functionIn("/f", "python3", "a.py")), unitOf(functionIn("/f", "./b.sh"))
	deep := unitOf(functionIn("/f/deep", "x"))
	all := []*unit{a, deep, b}
	for path, want := range map[string][]*unit{
		"/f/a.py": {a}, "/f/b.sh": {b}, "/f/lib.py": {a, b}, "/f/deep/a.py": {deep}, "/f/deeper/a.py": {a, b}, "/g/a.py": nil,
	} {
		if got := owners(all, path); !slices.Equal(got, want) {
			t.Errorf("%s: %d owners, want %d", path, len(got), len(want))
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	l := &load{next: recorderNone{}}
	now := time.Now()
	l.sample(now, time.Second)
	for i := range 200 { // 20 ms each, in one second: four at a time
		l.Record(runAt(now.Add(time.Duration(i)*5*time.Millisecond), 20*time.Millisecond))
	}
	l.Record(runAt(now.Add(-time.Hour), time.Hour+time.Second)) // one that was long there counts for the second alone
	if got := l.sample(now.Add(time.Second), time.Second); got != 5 {
		t.Errorf("average %d, want 5", got)
	}
	if got := l.sample(now.Add(time.Second+time.Millisecond), time.Second); got != 5 {
		t.Errorf("too early: %d, want the last", got)
	}
	l.Record(runAt(now.Add(1500*time.Millisecond), time.Microsecond))
	if got := l.sample(now.Add(2*time.Second), time.Second); got != 1 {
		t.Errorf("one short run: %d, want 1", got)
	}
	if got := l.sample(now.Add(3*time.Second), time.Second); got != 0 {
		t.Errorf("none: %d", got)
	}
}

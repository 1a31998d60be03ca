package supervisor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pelton-dev/pelton/internal/function"
)

// write saves a file as editors do: beside it, then renamed.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name+".tmp"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, name+".tmp"), filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func watching(c *Config) { c.Watch = true }

func always(s *function.Spec) { s.Scale.MinReplicas = 1 }

// TestChangedFileRestarts changes a handler's file: the new version takes over; a broken one does not, and is repaired.
func TestChangedFileRestarts(t *testing.T) {
	t.Parallel()
	fn, other := makeFunction(t, "edited", "version", always), makeFunction(t, "other", "serve", always)
	write(t, fn.Origin.Dir, "version.py", "one")
	r := newRig(t, watching, fn, other)
	r.awaitLine("version one")
	before := r.await("other", "ready", func(s Status) bool { return s.Ready == 1 })
	r.await("edited", "ready", func(s Status) bool { return s.Ready == 1 })

	write(t, fn.Origin.Dir, "version.py", "two")
	r.awaitLine("version two")
	r.awaitEvent(EventReloaded)
	second := r.await("edited", "served by the new one alone", func(s Status) bool {
		return s.Ready == 1 && len(s.Replicas) == 1 && s.Replicas[0].Generation == 2
	})

	write(t, fn.Origin.Dir, "version.py", "broken")
	s := r.await("edited", "failing", func(s Status) bool { return s.Restarts > 1 })
	if s.Ready != 1 || s.Replicas[0].PID != second.Replicas[0].PID || s.LastExit == nil || s.LastExit.Ready {
		t.Errorf("the old one does not serve on: %+v", s)
	}
	r.publish("edited", "x")
	r.awaitDone("edited", 1)

	write(t, fn.Origin.Dir, "version.py", "three")
	r.awaitLine("version three")
	r.await("edited", "served by the third alone", func(s Status) bool {
		return s.Ready == 1 && len(s.Replicas) == 1 && s.Replicas[0].PID != second.Replicas[0].PID
	})
	if after := r.statusOf("other"); after.Replicas[0].PID != before.Replicas[0].PID {
		t.Error("the other function was restarted")
	}
}

// TestIgnoredFilesRestartNothing writes what is no source, and then what is.
func TestIgnoredFilesRestartNothing(t *testing.T) {
	t.Parallel()
	fn := makeFunction(t, "calm", "serve", always)
	r := newRig(t, watching, fn)
	r.await("calm", "ready", func(s Status) bool { return s.Ready == 1 })
	if err := os.MkdirAll(filepath.Join(fn.Origin.Dir, "__pycache__"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"out.png", "data.db", "result.json", ".hidden.py", "x.py~", "__pycache__/x.py"} {
		write(t, fn.Origin.Dir, name, "x")
	}
	if err := os.MkdirAll(filepath.Join(fn.Origin.Dir, "sub", "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(fn.Origin.Dir, "sub", "deep"), "lib.py", "x")
	s := r.await("calm", "reloaded", func(s Status) bool { return len(s.Replicas) == 1 && s.Replicas[0].Generation > 1 })
	if s.Replicas[0].Generation != 2 {
		t.Errorf("generation %d, want 2", s.Replicas[0].Generation)
	}
}

// TestBuild builds before the first start and after a change; a failing one leaves the old version in place.
func TestBuild(t *testing.T) {
	t.Parallel()
	fn := makeFunction(t, "built", "version", always, func(s *function.Spec) {
		s.Handler.Build = []string{
			"sh", "-c",
			"echo building; grep -q wrong source.py && { echo no good; exit 5; }; cp source.py version.py; date > made.txt",
		}
	})
	write(t, fn.Origin.Dir, "source.py", "wrong")
	r := newRig(t, watching, fn)
	s := r.awaitPhase("built", PhaseBroken)
	if s.Build.State != BuildFailed || len(s.Build.Output) != 2 || s.Build.Output[1] != "no good" || s.SetupError == "" {
		t.Errorf("status %+v, build %+v", s, s.Build)
	}
	write(t, fn.Origin.Dir, "source.py", "first")
	r.awaitLine("version first")
	r.await("built", "ready", func(s Status) bool { return s.Ready == 1 && s.SetupError == "" && s.Build.State == BuildDone })

	write(t, fn.Origin.Dir, "source.py", "wrong again")
	s = r.await("built", "broken but serving", func(s Status) bool { return s.Build.State == BuildFailed })
	if s.Phase != PhaseReady || s.Replicas[0].Generation != 1 {
		t.Errorf("status %+v", s)
	}
	write(t, fn.Origin.Dir, "source.py", "second")
	r.awaitLine("version second")
	r.await("built", "calm", func(s Status) bool { return s.Ready == 1 && len(s.Replicas) == 1 && s.Build.State == BuildDone })
	r.awaitEvent(EventBuildFailed)
	if s := r.statusOf("built"); len(s.Muted) > 0 || s.Replicas[0].Generation > 3 {
		t.Errorf("the build restarts itself: %+v", s)
	}
}

// TestManifestReload changes the manifest: one that cannot be read changes nothing, a good one is applied.
func TestManifestReload(t *testing.T) {
	t.Parallel()
	fn := makeFunction(t, "first", "serve", always)
	fn.Origin.File = filepath.Join(fn.Origin.Dir, "function.yaml")
	write(t, fn.Origin.Dir, "function.yaml", "bad")
	changed := makeFunction(t, "first", "serve", always, func(s *function.Spec) { s.Scale.MinReplicas = 2 })
	changed.Origin = fn.Origin
	added := makeFunction(t, "second", "serve")
	added.Origin = fn.Origin
	var started, good atomic.Bool
	r := newRig(t, func(c *Config) {
		c.Watch, c.Manifests = true, []string{fn.Origin.Dir}
		c.Reload = func(context.Context) ([]*function.Function, error) {
			switch {
			case !started.Swap(true):
				return []*function.Function{fn}, nil
			case !good.Load():
				return nil, errors.New("function.yaml:3: nonsense")
			}
			return []*function.Function{changed, added}, nil
		}
	}, fn)
	before := r.await("first", "ready", func(s Status) bool { return s.Ready == 1 })
	write(t, fn.Origin.Dir, "function.yaml", "worse")
	if e := r.awaitEvent(EventReloadError); e.Text != "function.yaml:3: nonsense" {
		t.Errorf("event %+v", e)
	}
	good.Store(true)
	write(t, fn.Origin.Dir, "function.yaml", "good")
	s := r.await("first", "at two", func(s Status) bool { return s.Ready == 2 })
	if s.Replicas[0].PID != before.Replicas[0].PID {
		t.Error("a change of scale restarted the handler")
	}
	r.awaitPhase("second", PhaseIdle)
	r.publish("second", "x")
	r.awaitDone("second", 1)
}

// TestManifestChangedMeanwhile is a manifest that changes after it was read and before its directory is watched.
func TestManifestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	fn, added := makeFunction(t, "first", "serve"), makeFunction(t, "second", "serve")
	added.Origin = fn.Origin
	r := newRig(t, func(c *Config) {
		c.Watch, c.Manifests = true, []string{fn.Origin.Dir}
		c.Reload = func(context.Context) ([]*function.Function, error) { return []*function.Function{fn, added}, nil }
	}, fn)
	r.awaitPhase("second", PhaseIdle)
}

// TestChangedTriggers moves a function to another subject.
func TestChangedTriggers(t *testing.T) {
	t.Parallel()
	fn := makeFunction(t, "moving", "serve")
	r := newRig(t, nil, fn)
	moved := makeFunction(t, "moving", "serve",
		func(s *function.Spec) { s.Triggers[0].Event.Subjects = []string{"events.elsewhere"} })
	moved.Origin = fn.Origin
	r.sup.Apply([]*function.Function{moved})
	if err := r.sup.AwaitSetup(t.Context()); err != nil { // what is published before reaches nobody
		t.Fatal(err)
	}
	r.publish("elsewhere", "x")
	r.awaitDone("moving", 1)
}

// TestMissingStream is a setup that fails until somebody makes the stream.
func TestMissingStream(t *testing.T) {
	t.Parallel()
	fn := makeFunction(t, "lost", "serve", func(s *function.Spec) {
		s.Triggers[0].Event = &function.EventTrigger{Stream: "NOWHERE", Subjects: []string{"nowhere.x"}}
	})
	r := newRig(t, nil, fn)
	s := r.awaitPhase("lost", PhaseBroken)
	if s.SetupError == "" || r.awaitEvent(EventSetupFailed).Text != s.SetupError {
		t.Errorf("status %+v", s)
	}
	if _, err := r.js.CreateStream(t.Context(), streamConfig("NOWHERE", "nowhere.>")); err != nil {
		t.Fatal(err)
	}
	r.await("lost", "set up", func(s Status) bool { return s.Phase != PhaseBroken })
}

// TestReferences is a setup that fails until what the manifest refers to is on this machine, and says what to do.
func TestReferences(t *testing.T) {
	t.Parallel()
	key := &function.KeyRef{Name: "mode", Key: "handler"}
	fn := makeFunction(t, "refers", "", func(s *function.Spec) {
		s.Scale.MinReplicas = 1
		s.Handler.Env = []function.EnvVar{
			{Name: handlerMode, ValueFrom: &function.ValueSource{SecretKeyRef: key}},
			{Name: "COLOUR", ValueFrom: &function.ValueSource{ConfigMapKeyRef: &function.KeyRef{Name: "mode", Key: "none", Optional: true}}},
		}
		s.Handler.Mounts = []function.Mount{{Path: "/nowhere/refers", Secret: "tls", Optional: true}}
	})
	r := newRig(t, nil, fn)
	s := r.awaitPhase("refers", PhaseBroken)
	file := filepath.Join(fn.Origin.Dir, ".pelton-secrets", "mode", "handler")
	if want := "there is no key handler of secret mode on this machine (write the value into the file " + file + ")"; !contains(s.SetupError, want) {
		t.Errorf("setup error %q, want %q", s.SetupError, want)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("serve"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.await("refers", "ready", func(s Status) bool { return s.Ready == 1 && s.SetupError == "" })
}

func TestReferenced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{".pelton-secrets/a/key": "x y\n", ".pelton-configmaps/a/key": "", ".pelton-secrets/a/nul": "\x00"} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	secret := func(key string, optional bool) *function.ValueSource {
		return &function.ValueSource{SecretKeyRef: &function.KeyRef{Name: "a", Key: key, Optional: optional}}
	}
	fn := &function.Function{Origin: function.Origin{Dir: dir}}
	fn.Spec.Handler.Env = []function.EnvVar{
		{Name: "PLAIN", Value: "x"},
		{Name: "SECRET", ValueFrom: secret("key", false)},
		{Name: "CONFIG", ValueFrom: &function.ValueSource{ConfigMapKeyRef: &function.KeyRef{Name: "a", Key: "key"}}},
		{Name: "NONE", ValueFrom: secret("none", true)},
	}
	fn.Spec.Handler.Mounts = []function.Mount{{Path: dir, Secret: "a"}}
	env, err := referenced(fn)
	if want := []string{"SECRET=x y\n", "CONFIG="}; err != nil || !slices.Equal(env, want) {
		t.Errorf("variables %q, %v, want %q", env, err, want)
	}
	fn.Spec.Handler.Env = append(fn.Spec.Handler.Env, function.EnvVar{Name: "NUL", ValueFrom: secret("nul", true)},
		function.EnvVar{Name: "MISSING", ValueFrom: secret("missing", false)})
	fn.Spec.Handler.Mounts = []function.Mount{{Path: filepath.Join(dir, "none"), ConfigMap: "words"}}
	_, err = referenced(fn)
	for _, want := range []string{
		"read variable NUL: ", "has a NUL byte", "read variable MISSING: there is no key missing of secret a on this machine (write the value into",
		"/none: there is no such directory on this machine, and one machine mounts nothing (make it, with a file for each key of words)",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q in it", err, want)
		}
	}
}

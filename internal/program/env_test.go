package program_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/pelton-dev/pelton/internal/program"
)

func env(vars map[string]string) *program.Env {
	return program.NewEnv(func(name string) string { return vars[name] })
}

// TestAllProblemsAtOnce reads one bad variable after another and finds all of them in the error.
func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	e := env(map[string]string{
		"SOON": "soon", "NEVER": "0s", "MAYBE": "maybe", "NONE": "0", "MINUS": "-1", "MANY": "4294967296", "LOUD": "loud",
		"GONE": filepath.Join(t.TempDir(), "gone"),
	})
	e.Duration("SOON", time.Second)
	e.Duration("NEVER", time.Second)
	e.Bool("MAYBE", true)
	for _, name := range []string{"NONE", "MINUS", "MANY"} {
		e.Count(name, 1)
	}
	e.Level("LOUD")
	e.Path("GONE")
	err := e.Err()
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"SOON", "NEVER", "MAYBE", "NONE", "MINUS", "MANY", "LOUD", "GONE"} {
		if !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s is not named in: %v", name, err)
		}
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	e := env(map[string]string{
		"D": "3s", "B": "false", "C": "7", "L": "warn", "A": "off", "P": os.TempDir(), "G": "given",
	})
	for name, ok := range map[string]bool{
		"duration": e.Duration("D", 1) == 3*time.Second, "default duration": e.Duration("-", 5) == 5,
		"bool": !e.Bool("B", true), "default bool": e.Bool("-", true),
		"count": e.Count("C", 1) == 7, "default count": e.Count("-", 9) == 9,
		"level": e.Level("L") == zapcore.WarnLevel, "default level": e.Level("-") == zapcore.InfoLevel,
		"address off": e.Address("A", ":1") == "", "default address": e.Address("-", ":1") == ":1",
		"path": e.Path("P") == os.TempDir(), "no path": e.Path("-") == "",
		"get": e.Get("G", "x") == "given", "default": e.Get("-", "x") == "x",
	} {
		if !ok {
			t.Errorf("%s is not what was set", name)
		}
	}
	if err := e.Err(); err != nil {
		t.Errorf("good settings: %v", err)
	}
}

package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/execcall"
	"github.com/pelton-dev/pelton/internal/testenv"
)

// TestReadingsAreStoredTogether gives the example a batch as the sidecar does, and again, as after a crash.
func TestReadingsAreStoredTogether(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "python3")
	if batch := load(t)["readings"].Spec.Batch; batch == nil || batch.MaxEvents < 2 {
		t.Fatalf("the example has no batches: %+v", batch)
	}
	database := filepath.Join(t.TempDir(), "readings.db")
	inv, err := execcall.New(execcall.Config{
		Command: []string{"python3", "-B", "handler.py"}, Dir: "readings", Env: append(os.Environ(), "DATABASE="+database),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer inv.Close()
	batch := &invoke.Batch{Deadline: time.Now().Add(time.Minute)}
	for i, data := range []string{
		`{"sensor":"hall","celsius":21.5}`, `{"sensor":"hall"}`, `{"sensor":"attic","celsius":-3}`, `no JSON`,
	} {
		e := &event.Event{ID: strconv.Itoa(i), Source: "/test", Type: "reading", DataContentType: "application/json", Data: []byte(data)}
		batch.Items = append(batch.Items, invoke.Item{Event: e, Attempt: 1})
	}
	want := []string{"done ", "reject celsius is None, which is not a number", "done ", "reject a reading is a JSON object"}
	for range 2 {
		v, err := inv.InvokeBatch(t.Context(), batch)
		if err != nil || len(v.Each) != len(want) {
			t.Fatalf("got %+v, error %v", v, err)
		}
		var got []string
		for _, r := range v.Each {
			got = append(got, r.Outcome.Kind.String()+" "+r.Outcome.Reason)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	query := exec.CommandContext(t.Context(), "python3", "-c", `import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT sensor, celsius FROM readings ORDER BY id").fetchall())`, database)
	stored, err := query.Output()
	if want := "[('hall', 21.5), ('attic', -3.0)]\n"; err != nil || string(stored) != want {
		t.Errorf("stored %q (%v), want %q", stored, err, want)
	}
}

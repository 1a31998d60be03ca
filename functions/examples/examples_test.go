// Package examples_test checks the examples as `pelton up functions/examples` reads them.
package examples_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/filter"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/testenv"
)

func TestManifestsAreValid(t *testing.T) {
	t.Parallel()
	var names []string
	for name := range load(t) {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"always-fails", "charge", "hello", "notify", "readings", "tasks-flask", "thumbnails", "validate"}
	if !slices.Equal(names, want) {
		t.Errorf("examples are %v, want %v", names, want)
	}
}

func TestOrdersAreLinked(t *testing.T) {
	t.Parallel()
	functions := load(t)
	subject := "events.orders.created"
	for _, name := range []string{"validate", "charge", "notify"} {
		spec := functions[name].Spec
		if got := spec.Triggers[0].Event.Subjects; !slices.Equal(got, []string{subject}) {
			t.Errorf("%s reads %v, want %s", name, got, subject)
		}
		subject = spec.Reply.Subject
	}
	if subject != "events.orders.notified" {
		t.Errorf("the last step replies on %s", subject)
	}
}

// TestThumbnailsDoNotFeedThemselves guards the filter: replies land on a subject that the trigger reads.
func TestThumbnailsDoNotFeedThemselves(t *testing.T) {
	t.Parallel()
	spec := load(t)["thumbnails"].Spec
	trigger := spec.Triggers[0].Event
	if !function.MatchSubject(trigger.Subjects[0], spec.Reply.Subject) {
		t.Fatalf("%s does not read %s: the example no longer shows what its comment says", trigger.Subjects[0], spec.Reply.Subject)
	}
	f, err := filter.Compile(trigger.Filter)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind, data string
		want       bool
	}{
		{"events.image.uploaded", `{"path": "wheel.jpg", "bytes": 78611}`, true}, // nats pub and curl
		{"image.uploaded", `{"path": "wheel.jpg", "bytes": 78611}`, true},
		{"events.image.uploaded", `{"path": "wheel.jpg", "bytes": 100}`, false},
		{"image.thumbnailed", `{"path": "wheel.jpg.thumb.jpg", "width": 200, "bytes": 78611}`, false},
	} {
		e := &event.Event{ID: "1", Source: "/test", Type: c.kind, DataContentType: "application/json", Data: []byte(c.data)}
		if got, err := f.Match(e); err != nil || got != c.want {
			t.Errorf("%s %s: match = %v (%v), want %v", c.kind, c.data, got, err, c.want)
		}
	}
}

func TestPlumbingIsTheTemplates(t *testing.T) {
	t.Parallel()
	for example, template := range map[string]string{
		"orders/validate/serve.py": "../templates/python/serve.py",
		"orders/charge/serve.js":   "../templates/node/serve.js",
	} {
		a, errA := os.ReadFile(example)
		b, errB := os.ReadFile(template)
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs from %s: copy it again (%v, %v)", example, template, errA, errB)
		}
	}
}

func TestOwnTests(t *testing.T) {
	t.Parallel()
	for dir, command := range map[string][]string{
		"orders/validate": {"python3", "-B", "-m", "unittest"},
		"orders/charge":   {"node", "--test"},
	} {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			testenv.Need(t, command[0])
			cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", strings.Join(command, " "), err, out)
			}
		})
	}
}

func TestNotifyWritesALineAndReplies(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "orders.log")
	for i := range 2 {
		order := fmt.Sprintf(`{"id":"o-%d","amount":42}`, i)
		out, err := shell(t, "orders/notify", order, "LOG="+log, fmt.Sprintf("CE_SUBJECT=o-%d", i))
		if err != nil || strings.TrimSpace(out) != order {
			t.Errorf("reply = %q (%v), want the order", out, err)
		}
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(text), "\n"); got != 2 || !strings.Contains(string(text), `order o-1 charged: {"id":"o-1"`) {
		t.Errorf("log = %q, want two lines", text)
	}
}

func TestAlwaysFailsFails(t *testing.T) {
	t.Parallel()
	out, err := shell(t, "always-fails", "{}", "PELTON_ATTEMPT=2")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || out != "" {
		t.Errorf("output %q, error %v; want none and exit status 1", out, err)
	}
}

// shell runs an example's script as the exec protocol does.
func shell(t *testing.T, dir, data string, env ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "handler.sh")
	cmd.Dir, cmd.Stdin, cmd.Env = dir, strings.NewReader(data), append(os.Environ(), env...)
	out, err := cmd.Output()
	return string(out), err
}

func load(t *testing.T) map[string]*function.Function {
	t.Helper()
	found, err := function.Load([]string{"."}, function.CheckCommand)
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]*function.Function{}
	for _, f := range found {
		functions[f.Metadata.Name] = f
	}
	return functions
}

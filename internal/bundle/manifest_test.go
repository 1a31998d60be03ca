package bundle_test

import (
	"os"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/bundle"
	"github.com/pelton-dev/pelton/internal/function"
)

const head = "# top\napiVersion: pelton.dev/v1alpha1\nkind: Function\nmetadata: {name: fn}\nspec:\n" +
	"  triggers: [{event: {subjects: [events.fn]}}]\n"

// TestUpdateManifest changes one line, and nothing that a person has written.
func TestUpdateManifest(t *testing.T) {
	t.Parallel()
	const ref = "example.com/fn:2@sha256:0000000000000000000000000000000000000000000000000000000000000000"
	for title, test := range map[string]struct{ before, after string }{
		"there": {
			"  handler:\n    image: example.com/fn:1   # ours\n    command: [a]\n",
			"  handler:\n    image: " + ref + "   # ours\n    command: [a]\n",
		},
		"in quotes": {"  handler:\n    image: 'example.com/fn:1'\n", "  handler:\n    image: " + ref + "\n"},
		"in a line": {"  handler: {image: example.com/fn:1, command: [a]} # x\n", "  handler: {image: " + ref + ", command: [a]} # x\n"},
		"new": {
			"  handler:   # how\n    # why\n    command: [a]\n  concurrency: 2\n",
			"  handler:   # how\n    # why\n    image: " + ref + "\n    command: [a]\n  concurrency: 2\n",
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			other := strings.ReplaceAll(head, "name: fn", "name: other") + "  handler: {image: example.com/fn:1}\n---\n"
			fn := manifest(t, other+head+test.before)
			if err := bundle.UpdateManifest(fn, ref); err != nil {
				t.Fatal(err)
			}
			if got := content(t, fn); got != other+head+test.after {
				t.Errorf("it is now:\n%s", got)
			}
			fns, err := function.Load([]string{fn.Origin.File})
			if err != nil || fns[1].Spec.Handler.Image != ref {
				t.Errorf("it is read as %v, %v", fns, err)
			}
		})
	}
}

// TestManifestsThatStayAsTheyAre are those in which more than a line would change.
func TestManifestsThatStayAsTheyAre(t *testing.T) {
	t.Parallel()
	for title, text := range map[string]string{
		"no line for it": head + "  handler: {command: [a]}\n",
		"escaped":        head + "  handler:\n    image: \"example.com\\u002ffn:1\"\n",
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			fn := manifest(t, text)
			if err := bundle.UpdateManifest(fn, "example.com/fn:2"); err == nil || !strings.Contains(err.Error(), fn.Origin.File) {
				t.Errorf("want the file's name: %v", err)
			}
			if got := content(t, fn); got != text {
				t.Errorf("it is now:\n%s", got)
			}
		})
	}
}

// manifest writes a file and returns the last function in it.
func manifest(t *testing.T, text string) *function.Function {
	t.Helper()
	file := t.TempDir() + "/function.yaml"
	put(t, file, text)
	fns, err := function.Load([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	return fns[len(fns)-1]
}

func content(t *testing.T, fn *function.Function) string {
	t.Helper()
	text, err := os.ReadFile(fn.Origin.File)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

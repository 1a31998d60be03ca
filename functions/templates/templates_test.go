package templates_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/functions/templates"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/testenv"
)

const name = "greet-people"

func TestRenderGivesAValidManifest(t *testing.T) {
	t.Parallel()
	for _, lang := range templates.Langs() {
		files := render(t, templates.Options{Lang: lang, Name: name})
		found, problems := function.Parse(files["function.yaml"], "function.yaml")
		if len(problems) > 0 {
			t.Errorf("%s: %v", lang, problems)
			continue
		}
		f := found[0]
		if f.Metadata.Name != name || len(function.CheckCommand(f)) > 0 {
			t.Errorf("%s: function is %q with command %v", lang, f.Metadata.Name, f.Spec.Handler.Command)
		}
		if got := f.Spec.Triggers[0].Event.Subjects; !slices.Equal(got, []string{"events." + name}) {
			t.Errorf("%s: triggers on %v, want events.%s, where pelton send %s publishes", lang, got, name, name)
		}
	}
}

func TestRenderFillsEveryFile(t *testing.T) {
	t.Parallel()
	for _, lang := range templates.Langs() {
		for file, text := range render(t, templates.Options{Lang: lang, Name: name}) {
			if strings.Contains(string(text), "{{") || len(text) == 0 {
				t.Errorf("%s: %s is not filled in:\n%s", lang, file, text)
			}
			if strings.HasSuffix(file, ".tmpl") {
				t.Errorf("%s: %s keeps the template's suffix", lang, file)
			}
		}
	}
}

func TestRenderNamesTheFiles(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"go":     {".gitignore", "README.md", "function.yaml", "go.mod", "main.go", "main_test.go"},
		"python": {".gitignore", "README.md", "function.yaml", "handler.py", "serve.py", "test_handler.py"},
		"node":   {".gitignore", "README.md", "function.yaml", "handler.js", "handler.test.js", "package.json", "serve.js"},
		"shell":  {"README.md", "function.yaml", "handler.sh", "test.sh"},
	}
	got := map[string][]string{}
	for _, lang := range templates.Langs() {
		got[lang] = slices.Sorted(maps.Keys(render(t, templates.Options{Lang: lang, Name: name})))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	for _, o := range []templates.Options{
		{Lang: "cobol", Name: name},
		{Lang: "", Name: name},
		{Lang: "../go", Name: name},
		{Lang: "go"},
		{Lang: "go", Name: "Upper"},
		{Lang: "go", Name: "a/b"},
		{Lang: "go", Name: "{{.}}"},
		{Lang: "go", Name: strings.Repeat("a", 51)},
	} {
		if files, err := templates.Render(o); err == nil {
			t.Errorf("%+v renders %d files", o, len(files))
		}
	}
}

func TestGoInItsOwnModule(t *testing.T) {
	t.Parallel()
	dir := write(t, t.TempDir(), render(t, templates.Options{Lang: "go", Name: name, SourceDir: sourceDir(t)}))
	manifest := read(t, dir, "function.yaml")
	found, _ := function.Parse([]byte(manifest), "function.yaml")
	run(t, dir, found[0].Spec.Handler.Build...)
	run(t, dir, "go", "vet", "-mod=mod", ".")
	run(t, dir, "go", "test", "-mod=mod", ".")
	if _, err := os.Stat(filepath.Join(dir, found[0].Spec.Handler.Command[0])); err != nil {
		t.Errorf("the build made no program: %v", err)
	}
}

func TestGoInPeltonsModule(t *testing.T) {
	t.Parallel()
	files := render(t, templates.Options{Lang: "go", Name: name, Enclosing: templates.Module})
	if _, ok := files["go.mod"]; ok {
		t.Error("a go.mod is written into a module")
	}
	text := string(files["README.md"]) + string(files["function.yaml"])
	if strings.Contains(text, "-mod=mod") || strings.Contains(text, "go get") {
		t.Errorf("inside of Pelton's module nothing must be fetched:\n%s", text)
	}
}

func TestGoInAnotherModule(t *testing.T) {
	t.Parallel()
	files := render(t, templates.Options{Lang: "go", Name: name, Enclosing: "example.com/shop", Version: "v1.2.3"})
	if _, ok := files["go.mod"]; ok {
		t.Error("a go.mod is written into a module")
	}
	if want := "go get " + templates.Module + "@v1.2.3"; !strings.Contains(string(files["README.md"]), want) {
		t.Errorf("the README does not say %q:\n%s", want, files["README.md"])
	}
}

func TestGoRequiresTheReleasedVersion(t *testing.T) {
	t.Parallel()
	gomod := string(render(t, templates.Options{Lang: "go", Name: name, Version: "v1.2.3"})["go.mod"])
	if !strings.Contains(gomod, "require "+templates.Module+" v1.2.3") || strings.Contains(gomod, "replace") {
		t.Errorf("go.mod of a release:\n%s", gomod)
	}
}

// TestOwnTests runs the tests that each template brings along, by the command that its README and `pelton new` name.
func TestOwnTests(t *testing.T) {
	t.Parallel()
	for _, tt := range templates.List() {
		if tt.Lang == "go" {
			continue // TestGoInItsOwnModule
		}
		t.Run(tt.Lang, func(t *testing.T) {
			t.Parallel()
			command := strings.Fields(tt.Test)
			testenv.Need(t, command[0])
			files := render(t, templates.Options{Lang: tt.Lang, Name: name})
			if !strings.Contains(string(files["README.md"]), tt.Test) {
				t.Errorf("the README does not name %q", tt.Test)
			}
			dir := write(t, t.TempDir(), files)
			run(t, dir, command...)
			if tt.Lang == "shell" {
				run(t, dir, "sh", "-n", "handler.sh")
			}
		})
	}
}

func render(t *testing.T, o templates.Options) map[string][]byte {
	t.Helper()
	files, err := templates.Render(o)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func write(t *testing.T, dir string, files map[string][]byte) string {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func run(t *testing.T, dir string, command ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
}

func sourceDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

package templates_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/functions/templates"
	"github.com/pelton-dev/pelton/internal/testenv"
)

// TestReadmeSnippets puts each function of the README into the place of its template's, and has it read by its language.
func TestReadmeSnippets(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for fence, c := range map[string]struct {
		lang, file string
		check      []string
	}{
		"go":     {"go", "main.go", []string{"go", "vet", "-mod=mod", "main.go"}},
		"python": {"python", "handler.py", []string{"python3", "-c", "import handler"}},
		"js":     {"node", "handler.js", []string{"node", "--check", "handler.js"}},
		"bash":   {"shell", "handler.sh", []string{"sh", "-n", "handler.sh"}},
	} {
		t.Run(c.lang, func(t *testing.T) {
			t.Parallel()
			testenv.Need(t, c.check[0])
			found := regexp.MustCompile("(?s)```"+fence+"\n(.*?)```").FindAllSubmatch(readme, -1)
			if len(found) != 1 {
				t.Fatalf("README.md has %d blocks of %s, want one", len(found), fence)
			}
			files := render(t, templates.Options{Lang: c.lang, Name: name, SourceDir: sourceDir(t)})
			files[c.file] = found[0][1]
			dir := write(t, t.TempDir(), files)
			run(t, dir, c.check...)
		})
	}
}

// TestReadmeRunsNothingElse holds the shell blocks to what is marked with where it is run, so that a test can run them all.
func TestReadmeRunsNothingElse(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Count(string(readme), "\n```sh\n")
	marks := `(?m)^<!-- (terminal 1|terminal 2|terminal 2: needs the nats command line|anywhere) -->\n`
	marked := regexp.MustCompile(marks+"```sh\n").FindAll(readme, -1)
	if len(marked) != all || all < 5 {
		t.Errorf("README.md has %d shell blocks, %d of them marked with where to run them", all, len(marked))
	}
}

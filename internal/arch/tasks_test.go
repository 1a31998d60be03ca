package arch

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestEveryTaskIsAPlainCommand holds Taskfile.yml and CONTRIBUTING.md together.
func TestEveryTaskIsAPlainCommand(t *testing.T) {
	t.Parallel()
	var file struct {
		Tasks map[string]struct{ Cmds []string }
	}
	if err := yaml.Unmarshal(read(t, "../../Taskfile.yml"), &file); err != nil {
		t.Fatal(err)
	}
	guide := string(read(t, "../../CONTRIBUTING.md"))
	for name, task := range file.Tasks {
		if name == "default" {
			continue
		}
		if len(task.Cmds) != 1 || !strings.Contains(guide, "`"+strings.TrimSuffix(task.Cmds[0], " {{.CLI_ARGS}}")+"`") {
			t.Errorf("task %s runs %q: want one command, the same as in CONTRIBUTING.md", name, task.Cmds)
		}
	}
	if len(file.Tasks) < 10 {
		t.Errorf("Taskfile.yml has %d tasks", len(file.Tasks))
	}
}

// TestVersionsOfToolsAgree looks for a linter that is updated in one place only.
func TestVersionsOfToolsAgree(t *testing.T) {
	t.Parallel()
	const tool = "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@"
	versions := map[string]string{}
	for _, name := range []string{"Taskfile.yml", "CONTRIBUTING.md", ".ci/run"} {
		_, rest, found := strings.Cut(string(read(t, "../../"+name)), tool)
		if !found {
			t.Errorf("%s does not run %s", name, tool)
		}
		version, _, _ := strings.Cut(strings.Fields(rest)[0], "`")
		versions[strings.Trim(version, `"`)] = name
	}
	if len(versions) != 1 {
		t.Errorf("versions differ: %v", versions)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

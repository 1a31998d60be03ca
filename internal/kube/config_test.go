package kube

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOpen chooses a context, and says where it has looked when there is none.
func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good := write("good", kubeconfig("https://127.0.0.1:1"))
	none := write("none", `{apiVersion: v1, kind: Config}`)
	for name, c := range map[string]struct {
		config    Config
		namespace string
		noConfig  bool
		problem   string
	}{
		"current":           {config: Config{Kubeconfig: good}, namespace: "shop"},
		"another":           {config: Config{Kubeconfig: good, Context: "other"}, namespace: "default"},
		"of several files":  {config: Config{Files: []string{filepath.Join(dir, "missing"), none, good}}, namespace: "shop"},
		"no files":          {noConfig: true, problem: "no current context"},
		"no such files":     {config: Config{Files: []string{filepath.Join(dir, "missing")}}, noConfig: true, problem: "missing"},
		"no context":        {config: Config{Kubeconfig: none}, noConfig: true, problem: none},
		"no such file":      {config: Config{Kubeconfig: filepath.Join(dir, "missing")}, problem: "there is no file"},
		"no such context":   {config: Config{Kubeconfig: good, Context: "prod"}, problem: `no context "prod" in ` + good + ": it has here, other"},
		"no context at all": {config: Config{Kubeconfig: none, Context: "prod"}, problem: "which has none at all"},
		"nonsense":          {config: Config{Kubeconfig: write("bad", "{a: [")}, problem: "read kubeconfig"},
		"no certificate": {
			config:  Config{Kubeconfig: write("ca", strings.Replace(kubeconfig("https://a"), `"}}],`, `", certificate-authority: none.crt}}],`, 1))},
			problem: "none.crt",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, err := Open(c.config)
			switch {
			case c.problem == "" && err == nil:
				if cluster.Namespace != c.namespace || cluster.Server != "https://127.0.0.1:1" {
					t.Errorf("%+v", cluster)
				}
			case c.problem == "" || err == nil || !strings.Contains(err.Error(), c.problem) || errors.Is(err, ErrNoConfig) != c.noConfig:
				t.Errorf("%v, want %q", err, c.problem)
			}
		})
	}
}

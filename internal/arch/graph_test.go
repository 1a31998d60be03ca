package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// graph is what the go command knows of our module and all it links: import path to imports.
type graph map[string][]string

// goList asks the go command once for all tests.
var goList = sync.OnceValues(func() (graph, error) {
	if err := dependOnSources("../.."); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, errors.New(string(exit.Stderr))
	}
	if err != nil {
		return nil, err
	}
	g := graph{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return g, nil
		}
		if err != nil {
			return nil, err
		}
		g[p.ImportPath] = p.Imports
	}
})

// dependOnSources looks at every Go file, so that the go command does not give a cached result after one of them changed. It
// knows the files that a test looks at, but not what the commands it starts look at.
func dependOnSources(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case filepath.Ext(path) == ".go" || entry.Name() == "go.mod":
			_, err = os.Stat(path)
		}
		return err
	})
}

func load(t *testing.T) graph {
	t.Helper()
	g, err := goList()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	return g
}

// own returns our packages in order.
func (g graph) own() []string {
	var own []string
	for path := range g {
		if strings.HasPrefix(path, module+"/") {
			own = append(own, path)
		}
	}
	slices.Sort(own)
	return own
}

// has reports whether a pattern names at least one package.
func (g graph) has(pattern string) bool {
	for path := range g {
		if matches(pattern, path) {
			return true
		}
	}
	return false
}

// chain returns the shortest way by imports from a package to one that a pattern names, or nil.
func (g graph) chain(from, to string) []string {
	cameFrom := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		path := queue[0]
		if path != from && matches(to, path) {
			return backtrack(cameFrom, path)
		}
		for _, next := range g[path] {
			if _, seen := cameFrom[next]; !seen {
				cameFrom[next] = path
				queue = append(queue, next)
			}
		}
	}
	return nil
}

func backtrack(cameFrom map[string]string, path string) []string {
	var chain []string
	for ; path != ""; path = cameFrom[path] {
		chain = append(chain, short(path))
	}
	slices.Reverse(chain)
	return chain
}

// matches reports whether a path is what a pattern names: exactly, or with "/..." anything from there down. Patterns name
// our own packages without the module.
func matches(pattern, path string) bool {
	switch first, _, _ := strings.Cut(pattern, "/"); first {
	case "cmd", "deploy", "functions", "internal", "proto", "scalers":
		pattern = module + "/" + pattern
	}
	stem, all := strings.CutSuffix(pattern, "/...")
	return path == stem || all && strings.HasPrefix(path, stem+"/")
}

func short(path string) string { return strings.TrimPrefix(path, module+"/") }

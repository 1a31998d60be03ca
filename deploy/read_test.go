package deploy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// manifest is one object of one file.
type manifest struct {
	file string
	object
	typed any
}

// written are the folders whose manifests are written by hand, file by file.
var written = []string{"scaler", "trial", "example"}

// read reads every manifest that is written by hand. What is made of the chart, chart_test.go reads.
func read(t *testing.T) []manifest {
	t.Helper()
	var all []manifest
	for _, dir := range written {
		paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			all = append(all, readFile(t, path)...)
		}
	}
	return all
}

func readFile(t *testing.T, path string) []manifest {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []manifest
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var node yaml.Node
		err := d.Decode(&node)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, decode(t, path, &node))
	}
}

// decode reads one object without leniency.
func decode(t *testing.T, path string, node *yaml.Node) manifest {
	t.Helper()
	m := manifest{file: path}
	if err := node.Decode(&m.object); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	empty := kinds[m.APIVersion+" "+m.Kind]
	if empty == nil {
		t.Fatalf("%s: there is no %s %s", path, m.APIVersion, m.Kind)
	}
	m.typed = empty()
	text, err := yaml.Marshal(node)
	if err != nil {
		t.Fatal(err)
	}
	strict := yaml.NewDecoder(bytes.NewReader(text))
	strict.KnownFields(true)
	if err := strict.Decode(m.typed); err != nil {
		t.Fatalf("%s: %s %s: %v", path, m.Kind, m.Metadata.Name, err)
	}
	return m
}

// of returns the objects of one kind, of a folder or file if one is given.
func of[T any](all []manifest, prefix string) []T {
	var found []T
	for _, m := range all {
		if typed, ok := m.typed.(T); ok && strings.HasPrefix(m.file, prefix) {
			found = append(found, typed)
		}
	}
	return found
}

// only returns the one object of a kind and name.
func only[T interface{ name() string }](t *testing.T, all []manifest, prefix, name string) T {
	t.Helper()
	var found []T
	for _, typed := range of[T](all, prefix) {
		if typed.name() == name {
			found = append(found, typed)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d %T of the name %s, want one", prefix, len(found), *new(T), name)
	}
	return found[0]
}

func (o object) name() string { return o.Metadata.Name }

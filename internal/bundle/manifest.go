package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pelton-dev/pelton/internal/function"
)

// UpdateManifest writes an image into the function's manifest, as handler.image. Nothing else in the file changes, comments
// least of all; where that cannot be done the file stays as it is, and the error says why.
func UpdateManifest(fn *function.Function, reference string) error {
	file := fn.Origin.File
	if err := updateManifest(fn, reference); err != nil {
		return fmt.Errorf("update %s: %w", file, err)
	}
	return nil
}

func updateManifest(fn *function.Function, reference string) error {
	text, err := os.ReadFile(fn.Origin.File)
	if err != nil {
		return err
	}
	handler, err := findHandler(text, fn)
	if err != nil {
		return err
	}
	changed, err := setImage(text, handler, reference)
	if err != nil {
		return err
	}
	return replaceFile(fn.Origin.File, changed)
}

// findHandler returns the node of spec.handler of a function.
func findHandler(text []byte, fn *function.Function) (*yaml.Node, error) {
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var document yaml.Node
		err := d.Decode(&document)
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the manifest is not there any more")
		}
		if err != nil {
			return nil, err
		}
		name := child(&document, "metadata", "name")
		if name == nil || name.Value != fn.Metadata.Name {
			continue
		}
		if handler := child(&document, "spec", "handler"); handler != nil && handler.Kind == yaml.MappingNode {
			return handler, nil
		}
	}
}

// child follows keys into a document.
func child(n *yaml.Node, keys ...string) *yaml.Node {
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		n = n.Content[0]
	}
	for _, key := range keys {
		found := (*yaml.Node)(nil)
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				found = n.Content[i+1]
			}
		}
		if found == nil {
			return nil
		}
		n = found
	}
	return n
}

// errByHand is for manifests in which a line cannot be told from the next.
var errByHand = errors.New("handler is written in a way that only you can change")

func setImage(text []byte, handler *yaml.Node, reference string) ([]byte, error) {
	lines := strings.SplitAfter(string(text), "\n")
	if old := child(handler, "image"); old != nil {
		return replaceScalar(lines, old, reference)
	}
	if handler.Style&yaml.FlowStyle != 0 || len(handler.Content) == 0 {
		return nil, errByHand
	}
	first := handler.Content[0]
	line := strings.Repeat(" ", first.Column-1) + "image: " + reference + "\n"
	lines[first.Line-1] = line + lines[first.Line-1]
	return []byte(strings.Join(lines, "")), nil
}

// replaceScalar replaces a value that is written as it is read, in quotes or not.
func replaceScalar(lines []string, old *yaml.Node, reference string) ([]byte, error) {
	line := lines[old.Line-1]
	before, rest := line[:old.Column-1], line[old.Column-1:]
	for _, written := range []string{old.Value, `"` + old.Value + `"`, `'` + old.Value + `'`} {
		if after, found := strings.CutPrefix(rest, written); found && old.Value != "" {
			lines[old.Line-1] = before + reference + after
			return []byte(strings.Join(lines, "")), nil
		}
	}
	return nil, errByHand
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, text []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(fresh.Name()) }() // is gone by then if all went well
	_, err = fresh.Write(text)
	if err := errors.Join(err, fresh.Chmod(info.Mode().Perm()), fresh.Close()); err != nil {
		return err
	}
	return os.Rename(fresh.Name(), path)
}

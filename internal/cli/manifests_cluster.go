package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
)

// stdinName is the file that stands for stdin.
const stdinName = "-"

// clusterManifest is a Function as it is applied: what its file says and nothing more. A default that nobody has written is
// not ours to own.
type clusterManifest struct {
	fn     *function.Function // with defaults
	object *unstructured.Unstructured
}

func (m *clusterManifest) key() function.Key { return m.fn.Key() }

// manifestsFor makes the objects of checked manifests. Those that name no namespace are of this one.
func (a *app) manifestsFor(namespace namespaces, fns []*function.Function, texts map[string][]byte) ([]clusterManifest, error) {
	var manifests []clusterManifest
	for _, file := range filesOf(fns) {
		written, err := functionDocuments(texts[file])
		of := slices.DeleteFunc(slices.Clone(fns), func(fn *function.Function) bool { return fn.Origin.File != file })
		if err != nil || len(written) != len(of) {
			return nil, fmt.Errorf("read %s again: it has changed: %w", file, errors.Join(err, errors.New("try once more")))
		}
		for i, fn := range of {
			m, err := toCluster(fn, written[i], namespace)
			if err != nil {
				return nil, err
			}
			manifests = append(manifests, m)
		}
	}
	for _, w := range warningsOf(fns) {
		a.say("warning: %s", w)
	}
	return manifests, checkOnce(manifests)
}

// namespaces are where functions are whose manifest does not say it.
type namespaces struct {
	asked string // by a flag; a manifest that names another is a mistake
	usual string
}

// readManifests reads and checks manifests, and returns the text of each file.
func (a *app) readManifests(paths []string) (fns []*function.Function, texts map[string][]byte, err error) {
	texts = map[string][]byte{}
	if slices.Contains(paths, stdinName) {
		if len(paths) > 1 {
			return nil, nil, usage("-f - alone, or files", "stdin cannot be read together with files")
		}
		fns, texts[stdinName], err = a.readStdin()
		return fns, texts, err
	}
	if fns, err = loadFunctions(paths, checkCluster); err != nil {
		return nil, nil, err
	}
	for _, file := range filesOf(fns) {
		if texts[file], err = os.ReadFile(file); err != nil {
			return nil, nil, fmt.Errorf("read manifest: %w", err)
		}
	}
	return fns, texts, nil
}

// readStdin puts stdin into a file for a moment: files are checked by all rules at once.
func (a *app) readStdin() ([]*function.Function, []byte, error) {
	text, err := io.ReadAll(io.LimitReader(a.stdin, function.MaxManifestSize+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read stdin: %w", err)
	}
	dir, err := os.MkdirTemp("", "pelton")
	if err != nil {
		return nil, nil, fmt.Errorf("read stdin: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "stdin.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, nil, fmt.Errorf("read stdin: %w", err)
	}
	fns, err := loadFunctions([]string{file}, checkCluster)
	if invalid, ok := errors.AsType[*function.Invalid](err); ok {
		for i := range invalid.Problems {
			invalid.Problems[i].File = stdinName
		}
	}
	for _, fn := range fns {
		fn.Origin.File = stdinName
	}
	return fns, text, err
}

// checkCluster finds what is wrong on Kubernetes alone. The settings of an installation have no part in that.
func checkCluster(fn *function.Function) []function.Problem {
	_, err := desired.Objects(fn, defaultSettings())
	if invalid, ok := errors.AsType[*function.Invalid](err); ok {
		return invalid.Problems
	}
	return nil
}

func filesOf(fns []*function.Function) (files []string) {
	for _, fn := range fns {
		if !slices.Contains(files, fn.Origin.File) {
			files = append(files, fn.Origin.File)
		}
	}
	return files
}

// functionDocuments returns the documents of a text that function.Parse has read as Functions.
func functionDocuments(text []byte) (documents []map[string]any, err error) {
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var fields map[string]any
		err := d.Decode(&fields)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, err
		}
		if kind, _ := fields["kind"].(string); kind == function.Kind {
			documents = append(documents, fields)
		}
	}
}

// toCluster makes the object of a manifest.
func toCluster(fn *function.Function, written map[string]any, namespace namespaces) (m clusterManifest, err error) {
	metadata, _ := written["metadata"].(map[string]any)
	switch own, _ := metadata["namespace"].(string); {
	case own == "":
		fn.Metadata.Namespace = cmp.Or(namespace.asked, namespace.usual)
	case namespace.asked != "" && namespace.asked != own:
		return m, &Error{
			Exit: ExitInvalid, Hint: "leave out --namespace, or take the namespace out of the manifest",
			Message: fmt.Sprintf("%s:%d: function %s is in namespace %s, and --namespace says %s",
				fn.Origin.File, fn.Origin.Line, fn.Metadata.Name, own, namespace.asked),
		}
	}
	text, err := json.Marshal(fn)
	if err != nil {
		return m, fmt.Errorf("encode function %s: %w", fn.Key(), err)
	}
	var full map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // numbers stay as they are
	if err := d.Decode(&full); err != nil {
		return m, fmt.Errorf("encode function %s: %w", fn.Key(), err)
	}
	fields, _ := asWritten(written, full).(map[string]any)
	if text, err = json.Marshal(fields); err != nil {
		return m, fmt.Errorf("encode function %s: %w", fn.Key(), err)
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(text); err != nil {
		return m, fmt.Errorf("encode function %s: %w", fn.Key(), err)
	}
	o.SetNamespace(fn.Metadata.Namespace)
	return clusterManifest{fn, o}, nil
}

// asWritten keeps of a value what its file says, in the form in which the validator has understood it: an amount such as 1 may
// be a number in the file, and is a text in the resource.
func asWritten(written, full any) any {
	switch written := written.(type) {
	case map[string]any:
		understood, ok := full.(map[string]any)
		if !ok {
			return orElse(full, written)
		}
		kept := map[string]any{}
		for name, value := range written {
			if value != nil {
				kept[name] = asWritten(value, understood[name])
			}
		}
		return kept
	case []any:
		understood, ok := full.([]any)
		if !ok || len(understood) != len(written) {
			return orElse(full, written)
		}
		kept := make([]any, len(written))
		for i, value := range written {
			kept[i] = asWritten(value, understood[i])
		}
		return kept
	default:
		return orElse(full, written)
	}
}

// orElse takes a zero as it is written: JSON leaves it out.
func orElse(full, written any) any {
	if full == nil {
		return written
	}
	return full
}

// checkOnce finds two manifests of one function, which defaults for the namespace can make.
func checkOnce(manifests []clusterManifest) error {
	seen := map[function.Key]string{}
	for _, m := range manifests {
		place := fmt.Sprintf("%s:%d", m.fn.Origin.File, m.fn.Origin.Line)
		if other, twice := seen[m.key()]; twice {
			return &Error{
				Exit: ExitInvalid, Message: fmt.Sprintf("function %s is in %s and in %s", m.key(), other, place),
				Hint: "give one of them another name or namespace",
			}
		}
		seen[m.key()] = place
	}
	return nil
}

package function

import (
	"cmp"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads every Function of a file's text, YAML or JSON, fills in defaults and checks all rules. It returns either
// functions or problems, never both. The file is named in problems and origins, and not opened.
func Parse(data []byte, file string) ([]*Function, []Problem) {
	manifests, problems := parseFile(data, file)
	problems = append(problems, checkSet(manifests)...)
	if len(problems) > 0 {
		sortProblems(problems)
		return nil, problems
	}
	return functionsOf(manifests), nil
}

// ParseJSON reads one Function that json.Marshal wrote.
func ParseJSON(data []byte) (*Function, []Problem) {
	functions, problems := Parse(data, "")
	if len(problems) == 0 && len(functions) != 1 {
		problems = []Problem{{Message: fmt.Sprintf("the text holds %d functions instead of one", len(functions))}}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return functions[0], nil
}

// manifest is a Function with the places of its fields.
type manifest struct {
	*Function
	places map[string]position
	unread []string // paths about which rules are silent
}

func functionsOf(manifests []manifest) []*Function {
	functions := make([]*Function, len(manifests))
	for i, m := range manifests {
		functions[i] = m.Function
	}
	return functions
}

// parseFile reads the documents of one file. It checks each by itself; what concerns several is checkSet's.
func parseFile(data []byte, file string) (manifests []manifest, problems []Problem) {
	documents, problems := readDocuments(data)
	for _, doc := range documents {
		m, found := parseDocument(doc, file)
		problems = append(problems, found...)
		if m.Function != nil {
			manifests = append(manifests, m)
		}
	}
	for i := range problems {
		problems[i].File = file
	}
	return manifests, problems
}

// parseDocument reads one document. A document of another kind gives no manifest.
func parseDocument(doc document, file string) (manifest, []Problem) {
	d := newDecoder(doc.offset)
	if kind := otherKind(doc.root); kind != nil {
		d.add("kind", kind, quote(kind.Value)+" is not a kind of this program", "write "+Kind+", the only kind served")
		return manifest{}, d.problems
	}
	f := &Function{Origin: originOf(file, d.at(doc.root).line)}
	m := manifest{Function: f, places: d.places}
	d.value("", doc.root, reflect.ValueOf(f).Elem())
	f.setDefaults(d.written)
	m.unread = d.unread()
	return m, shorten(append(d.problems, m.locate(f.validate(d.written))...), d.unshown)
}

// shorten bounds the report about one document.
func shorten(problems []Problem, unshown int) []Problem {
	if extra := len(problems) - maxProblems; extra > 0 {
		problems, unshown = problems[:maxProblems], unshown+extra
	}
	if unshown > 0 {
		sortProblems(problems)
		last := problems[len(problems)-1]
		last.Path, last.Message, last.Hint = "", fmt.Sprintf("%d further problems are not shown", unshown), "put these right first"
		problems = append(problems, last)
	}
	return problems
}

// otherKind returns the kind of a document that is plainly not meant as a Function, such as a Deployment in the same
// folder: problems with its fields would only make noise. A misspelt kind is read on.
func otherKind(root *yaml.Node) *yaml.Node {
	for i := 0; i+1 < len(root.Content) && root.Kind == yaml.MappingNode; i += 2 {
		kind := root.Content[i+1]
		if root.Content[i].Value == "kind" && kind.Value != "" && Nearest(kind.Value, []string{Kind}) == "" {
			return kind
		}
	}
	return nil
}

// originOf resolves the directory. Only a process without a working directory has none; the relative one serves as well.
func originOf(file string, line int) Origin {
	dir := filepath.Dir(file)
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return Origin{File: file, Line: line, Dir: dir}
}

// locate gives problems of rules their places, and drops those about fields that could not be read: they are reported.
func (m manifest) locate(problems []Problem) []Problem {
	var located []Problem
	for _, p := range problems {
		if m.silent(p.Path) {
			continue
		}
		at := m.place(p.Path)
		p.File = cmp.Or(p.File, m.Origin.File)
		p.Line, p.Column = at.line, at.column
		located = append(located, p)
	}
	return located
}

// silent reports whether the value at path, one above it or one inside it could not be read.
func (m manifest) silent(path string) bool {
	for _, unread := range m.unread {
		if within(path, unread) || within(unread, path) {
			return true
		}
	}
	return false
}

// within reports whether path is the path outer or one inside it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || outer == "" || rest[0] == '.' || rest[0] == '[')
}

// place returns where path is written, or the nearest field around it.
func (m manifest) place(path string) position {
	for {
		if at, ok := m.places[path]; ok || path == "" {
			return at
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

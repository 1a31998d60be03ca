// Package templates owns what `pelton new` writes: one small function, its test and its manifest for each language.
//
// It renders into memory and knows nothing of the disk or the command line. It only computes; there is nothing to stop.
package templates

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/template"

	"github.com/pelton-dev/pelton/internal/function"
)

// Module is the module path of Pelton and its Go SDK.
const Module = "github.com/pelton-dev/pelton"

//go:embed go node python shell
var files embed.FS

// Template is one language `pelton new` can write.
type Template struct {
	Lang string
	Text string // what it is, in a few words
	Test string // the command that tests a new function, run in its folder
}

// List returns the templates in the order they should be offered.
func List() []Template {
	return []Template{
		{Lang: "go", Text: "a Go program on the SDK, many calls at once over a socket", Test: "go test ."},
		{Lang: "python", Text: "a Python HTTP handler, standard library only", Test: "python3 -m unittest"},
		{Lang: "node", Text: "a Node HTTP handler, no packages", Test: "node --test"},
		{Lang: "shell", Text: "a shell script, one process per event", Test: "sh test.sh"},
	}
}

// Options is what a new function is made for.
type Options struct {
	Lang string
	Name string

	// The rest matters to Go only.

	// Enclosing is the path of the Go module the target folder lies in, "" if in none. In a module no go.mod is written.
	Enclosing string
	// Version is the Pelton version to require.
	Version string
	// SourceDir is the folder of Pelton's own source: set by a development build, whose version no proxy can serve.
	SourceDir string
}

// view is what the files of a template see.
type view struct {
	Name, Version, SourceDir string
	OwnModule                bool // the function gets a go.mod of its own
	Foreign                  bool // it lies in a module that must require Pelton itself
}

// Require is the argument of `go get`.
func (v view) Require() string { return Module + "@" + v.Version }

// Render returns the files of a new function by their slash-separated names.
func Render(o Options) (map[string][]byte, error) {
	if !slices.ContainsFunc(List(), func(t Template) bool { return t.Lang == o.Lang }) {
		return nil, fmt.Errorf("render template: unknown language %q, have %s", o.Lang, strings.Join(Langs(), ", "))
	}
	if !function.ValidName(o.Name) {
		return nil, fmt.Errorf("render template: %q is not a function name: want lower-case letters, digits and -", o.Name)
	}
	v := view{
		Name: o.Name, Version: o.Version, SourceDir: o.SourceDir,
		OwnModule: o.Lang == "go" && o.Enclosing == "", Foreign: o.Enclosing != "" && o.Enclosing != Module,
	}
	if o.Version == "" {
		v.Version = "v0.0.0" // a replace makes any version do
	}
	return render(o.Lang, v)
}

// Langs returns the names of the languages.
func Langs() []string {
	var langs []string
	for _, t := range List() {
		langs = append(langs, t.Lang)
	}
	return langs
}

func render(lang string, v view) (map[string][]byte, error) {
	out := make(map[string][]byte)
	entries, err := fs.ReadDir(files, lang)
	if err != nil {
		return nil, fmt.Errorf("read template %q: %w", lang, err)
	}
	for _, entry := range entries {
		if entry.Name() == "go.mod.tmpl" && !v.OwnModule {
			continue
		}
		text, err := renderFile(path.Join(lang, entry.Name()), v)
		if err != nil {
			return nil, err
		}
		out[target(entry.Name())] = text
	}
	return out, nil
}

func renderFile(name string, v view) ([]byte, error) {
	t, err := template.New(path.Base(name)).Option("missingkey=error").ParseFS(files, name)
	if err != nil {
		return nil, fmt.Errorf("parse template %q: %w", name, err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("render template %q: %w", name, err)
	}
	return b.Bytes(), nil
}

// target is the name a template's file gets. Some end in .tmpl so that the go command does not take the templates for
// packages, and Pelton not for manifests; embed leaves out names with a leading dot.
func target(name string) string {
	if name == "gitignore" {
		return ".gitignore"
	}
	return strings.TrimSuffix(name, ".tmpl")
}

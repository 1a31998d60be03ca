package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/functions/templates"
	"github.com/pelton-dev/pelton/internal/function"
)

func (a *app) newCommand() *cobra.Command {
	var lang, dir string
	cmd := &cobra.Command{
		Use:   "new FUNCTION",
		Short: "Write a small function, with its test and its manifest",
		Long: "Write a small function that runs at once, with its test and its manifest, into a new folder. A Go function that\n" +
			"lies in no module gets its own, and `go mod tidy` is run in it.",
		Example: "  # A Go function in ./greeter\n  pelton new greeter --lang go\n\n" +
			"  # A Python function somewhere else\n  pelton new resize --lang python --dir functions/resize",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.newFunction(cmd.Context(), args[0], lang, dir) },
	}
	cmd.Flags().StringVarP(&lang, "lang", "l", "go", "language: "+strings.Join(templates.Langs(), ", "))
	cmd.Flags().StringVar(&dir, "dir", "", "folder to write to (default: ./FUNCTION)")
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions(templates.Langs(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// created is the result of new under -o json.
type created struct {
	Function string   `json:"function"`
	Dir      string   `json:"dir"`
	Files    []string `json:"files"`
	Next     []string `json:"next"`
}

func (a *app) newFunction(ctx context.Context, name, lang, dir string) error {
	i := slices.IndexFunc(templates.List(), func(t templates.Template) bool { return t.Lang == lang })
	if i < 0 {
		return usage("--lang "+strings.Join(templates.Langs(), ", --lang "), "unknown language %q", lang)
	}
	if !function.ValidName(name) {
		return usage("a name such as resize-image", "%q is not a function name: want lower-case letters, digits and inner -", name)
	}
	if dir == "" {
		dir = name
	}
	files, err := renderNew(name, lang, dir)
	if err != nil {
		return err
	}
	result := created{Function: name, Dir: dir}
	for file := range files {
		result.Files = append(result.Files, file)
	}
	slices.Sort(result.Files)
	if err := writeNew(dir, files, result.Files); err != nil {
		return err
	}
	if _, own := files["go.mod"]; own {
		if err := a.tidy(ctx, &result); err != nil {
			return err
		}
	}
	result.Next = append(result.Next,
		"pelton up "+dir,
		"pelton send "+name+" --data '{\"name\":\"you\"}'",
		"cd "+dir+" && "+templates.List()[i].Test,
	)
	return a.showCreated(result)
}

func renderNew(name, lang, dir string) (map[string][]byte, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find folder %s: %w", dir, err)
	}
	o := templates.Options{Lang: lang, Name: name}
	if lang == "go" {
		o.Enclosing = enclosingModule(filepath.Dir(abs))
		o.Version, o.SourceDir = buildVersion(), ""
		if o.Version == devel || strings.Contains(o.Version, "+dirty") || strings.HasPrefix(o.Version, "v0.0.0-") {
			o.Version, o.SourceDir = "", sourceDir()
		}
	}
	return templates.Render(o)
}

// enclosingModule is the path of the Go module that a folder lies in, or "".
func enclosingModule(dir string) string {
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil {
			return moduleOf(data)
		}
		above := filepath.Dir(dir)
		if above == dir {
			return ""
		}
		dir = above
	}
}

func moduleOf(gomod []byte) string {
	for line := range strings.Lines(string(gomod)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "module "); ok {
			return strings.Trim(strings.TrimSpace(rest), `"`)
		}
	}
	return ""
}

// writeNew writes the files, none over one that exists.
func writeNew(dir string, files map[string][]byte, names []string) error {
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return &Error{
				Exit: ExitConflict, Message: fmt.Sprintf("%s exists already", filepath.Join(dir, name)),
				Hint: "choose another name, or another folder with --dir",
			}
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	for _, name := range names {
		if err := writeFile(filepath.Join(dir, name), files[name]); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, data []byte) error {
	mode := fs.FileMode(0o644)
	if strings.HasPrefix(string(data), "#!") {
		mode = 0o755
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func (a *app) showCreated(c created) error {
	if a.json() {
		return a.writeJSON(c)
	}
	for _, file := range c.Files {
		if _, err := fmt.Fprintln(a.stdout, filepath.Join(c.Dir, file)); err != nil {
			return fmt.Errorf("write output: %w", err)
		}
	}
	a.say("\nnext:")
	for _, line := range c.Next {
		a.say("  %s", line)
	}
	return nil
}

package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func testApp() *app {
	none := func(string) string { return "" }
	return &app{stdin: strings.NewReader(""), stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, getenv: none}
}

// walk calls fn for every command but those that cobra adds.
func walk(cmd *cobra.Command, fn func(*cobra.Command)) {
	fn(cmd)
	for _, c := range cmd.Commands() {
		if c.Name() != "help" {
			walk(c, fn)
		}
	}
}

func TestEveryCommandShowsExamples(t *testing.T) {
	t.Parallel()
	walk(testApp().root(), func(cmd *cobra.Command) {
		calls := strings.Count(cmd.Example, "\n  pelton ") + strings.Count("\n"+cmd.Example, "\n  source <(pelton ")
		if calls < 2 {
			t.Errorf("%s: %d examples, want 2 or more:\n%s", cmd.CommandPath(), calls, cmd.Example)
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short text %q", cmd.CommandPath(), cmd.Short)
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			if n := len(strings.TrimRight(line, "\n")); n > 120 {
				t.Errorf("%s: a line of its help has %d characters: %q", cmd.CommandPath(), n, line)
			}
		}
	})
}

// TestExamplesParse reads every example as a command line: flags and arguments in help texts must exist.
func TestExamplesParse(t *testing.T) {
	t.Parallel()
	walk(testApp().root(), func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			args, ok := strings.CutPrefix(strings.TrimSpace(line), "pelton ")
			if !ok {
				continue
			}
			args, _, _ = strings.Cut(args, " | ")
			args, _, _ = strings.Cut(args, " > ")
			checkExample(t, splitWords(args))
		}
	})
}

func checkExample(t *testing.T, args []string) {
	t.Helper()
	cmd, rest, err := testApp().root().Find(args)
	if err != nil {
		t.Errorf("pelton %v: %v", args, err)
		return
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("pelton %v: %v", args, err)
		return
	}
	if cmd.Args != nil {
		if err := cmd.Args(cmd, cmd.Flags().Args()); err != nil {
			t.Errorf("pelton %v: %v", args, err)
		}
	}
}

// splitWords splits a line as a shell does that knows single quotes.
func splitWords(line string) []string {
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}

func TestUnknownCommandsOfEveryGroupAreUsageErrors(t *testing.T) {
	t.Parallel()
	for _, group := range []string{"", "dlq", "functions"} {
		var out, errs bytes.Buffer
		args := append(strings.Fields(group), "no-such-command")
		code := Run(t.Context(), Config{
			Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" },
		})
		if code != ExitUsage || out.Len() > 0 || !strings.Contains(errs.String(), "unknown command") {
			t.Errorf("pelton %v: exit %d, stdout %q, stderr %q", args, code, out.String(), errs.String())
		}
	}
}

package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/internal/function"
)

func (a *app) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate [PATH...]",
		Short: "Check manifests and list every problem",
		Long: "Check Function manifests, files or folders (default: this folder), and list every problem of every file with its\n" +
			"line. Exit 7 if there is one. What is valid but most likely a mistake is a warning.",
		Example: "  # A folder with everything below it\n  pelton validate functions/examples\n\n" +
			"  # For a program: problems as JSON on stdout\n  pelton validate function.yaml -o json",
		RunE: func(_ *cobra.Command, args []string) error { return a.validate(pathsOr(args)) },
	}
}

// pathsOr is what was named, or this folder.
func pathsOr(args []string) []string {
	if len(args) == 0 {
		return []string{"."}
	}
	return args
}

// validation is the result of validate under -o json.
type validation struct {
	Valid     bool               `json:"valid"`
	Functions []string           `json:"functions"`
	Problems  []function.Problem `json:"problems"`
	Warnings  []function.Problem `json:"warnings"` // valid, and most likely not what is meant
}

func (a *app) validate(paths []string) error {
	fns, err := loadFunctions(paths, checkEventSubjects)
	result := validation{Valid: err == nil, Functions: []string{}, Problems: []function.Problem{}}
	var invalid *function.Invalid
	if errors.As(err, &invalid) {
		result.Problems = invalid.Problems
	} else if err != nil {
		return err
	}
	for _, fn := range fns {
		result.Functions = append(result.Functions, fn.Key().String())
	}
	result.Warnings = warningsOf(fns)
	if a.json() {
		if werr := a.writeJSON(result); werr != nil {
			return werr
		}
		return err
	}
	if err != nil {
		return err
	}
	for _, fn := range fns {
		if _, err := fmt.Fprintf(a.stdout, "%s: function %s is valid\n", fn.Origin.File, fn.Key()); err != nil {
			return fmt.Errorf("write output: %w", err)
		}
	}
	for _, w := range result.Warnings {
		a.say("warning: %s", w)
	}
	return nil
}

package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func (a *app) whyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "why FUNCTION", Short: "",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.why(cmd.Context(), args[0]) },
	}
}
func (a *app) why(ctx context.Context, name string) error { return nil }

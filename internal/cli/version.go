package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/spf13/cobra"
)

// devel is the version of a build that no release made.
const devel = "(devel)"

// buildVersion is the module version the go command has stamped, or devel.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return devel
	}
	return info.Main.Version
}

type versionInfo struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	NATS    string `json:"natsServer"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the versions of pelton and what it is built with",
		Example: "  # For people\n  pelton version\n\n  # For programs\n  pelton version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := versionInfo{buildVersion(), runtime.Version(), server.VERSION, runtime.GOOS, runtime.GOARCH}
			if a.json() {
				return a.writeJSON(v)
			}
			_, err := fmt.Fprintf(a.stdout, "pelton %s (nats-server %s, %s, %s/%s)\n", v.Version, v.NATS, v.Go, v.OS, v.Arch)
			return err
		},
	}
}

func (a *app) completionCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the completion script of a shell: bash, zsh, fish or powershell",
		Example: "  # bash, for this session\n  source <(pelton completion bash)\n\n" +
			"  # zsh, for good\n  pelton completion zsh > \"${fpath[1]}/_pelton\"",
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(_ *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			default:
				return root.GenPowerShellCompletionWithDesc(a.stdout)
			}
		},
	}
}

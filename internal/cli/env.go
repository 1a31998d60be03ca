package cli

import (
	"strings"

	"github.com/spf13/pflag"
)

// envAnnotation marks the flags that an environment variable can set.
const envAnnotation = "pelton-env"

// bindEnv lets PELTON_<FLAG> set the named flags. The variable is shown in the flag's help.
//
// It is not done for every flag: handlers run with PELTON_FUNCTION and others in their environment, and a pelton command in
// a handler must not take those for flags.
func bindEnv(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		f := flags.Lookup(name)
		env := "PELTON_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		f.Annotations = map[string][]string{envAnnotation: {env}}
		f.Usage += " [$" + env + "]"
	}
}

// applyEnv sets the flags that were not given from their variables.
func applyEnv(flags *pflag.FlagSet, getenv func(string) string) error {
	var bad error
	flags.VisitAll(func(f *pflag.Flag) {
		env := f.Annotations[envAnnotation]
		if bad != nil || f.Changed || len(env) == 0 {
			return
		}
		value := getenv(env[0])
		if value == "" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			bad = usage("unset "+env[0], "environment variable %s: %s", env[0], err)
		}
	})
	return bad
}

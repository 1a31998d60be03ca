package execcall

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
)

// The variables of a call, next to CE_ and the attribute's name in capitals.
const (
	envFunction     = "PELTON_FUNCTION"
	envNamespace    = "PELTON_NAMESPACE"
	envAttempt      = "PELTON_ATTEMPT"
	envRedeliveries = "PELTON_REDELIVERIES"
	envDeadline     = "PELTON_DEADLINE"
)

// withoutCallVariables removes what only a call may set: an event without a subject must not show an inherited one.
func withoutCallVariables(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case envAttempt, envRedeliveries, envDeadline:
			return true
		}
		return strings.HasPrefix(name, "CE_")
	})
}

// callEnv returns base with the variables of a call. It refuses values that an environment cannot hold.
func callEnv(base []string, call *invoke.Call) ([]string, error) {
	env := slices.Grow(slices.Clone(base), 16+len(call.Event.Extensions))
	for name, value := range call.Event.All() {
		if strings.IndexByte(value, 0) >= 0 {
			return nil, fmt.Errorf("attribute %s holds a NUL byte, which an environment cannot carry", name)
		}
		env = append(env, "CE_"+strings.ToUpper(name)+"="+value)
	}
	if ns, name, ok := strings.Cut(call.Function, "/"); ok {
		env = append(env, envNamespace+"="+ns, envFunction+"="+name)
	} else {
		env = append(env, envFunction+"="+call.Function)
	}
	env = append(env, envAttempt+"="+strconv.Itoa(call.Attempt), envRedeliveries+"="+strconv.Itoa(call.Redeliveries))
	if !call.Deadline.IsZero() {
		env = append(env, envDeadline+"="+call.Deadline.UTC().Format(time.RFC3339Nano))
	}
	return env, nil
}

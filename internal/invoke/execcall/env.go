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
	envEpoch        = "PELTON_EPOCH"
	envBatch        = "PELTON_BATCH" // how many events there are, in a batch
)

// withoutCallVariables removes what only a call may set: an event without a subject must not show an inherited one.
func withoutCallVariables(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case envAttempt, envRedeliveries, envDeadline, envEpoch, envBatch:
			return true
		}
		return strings.HasPrefix(name, "CE_")
	})
}

// callEnv returns base with the variables of a call. It refuses values that an environment cannot hold.
func callEnv(base []string, call *invoke.Call) ([]string, error) {
	env := functionEnv(slices.Grow(slices.Clone(base), 16+len(call.Event.Extensions)), call.Function)
	for name, value := range call.Event.All() {
		if strings.IndexByte(value, 0) >= 0 {
			return nil, fmt.Errorf("attribute %s holds a NUL byte, which an environment cannot carry", name)
		}
		env = append(env, "CE_"+strings.ToUpper(name)+"="+value)
	}
	env = append(env, envAttempt+"="+strconv.Itoa(call.Attempt), envRedeliveries+"="+strconv.Itoa(call.Redeliveries))
	if call.Epoch > 0 {
		env = append(env, envEpoch+"="+strconv.FormatUint(call.Epoch, 10))
	}
	if !call.Deadline.IsZero() {
		env = append(env, envDeadline+"="+call.Deadline.UTC().Format(time.RFC3339Nano))
	}
	return env, nil
}

// functionEnv appends the names of a function.
func functionEnv(env []string, function string) []string {
	if ns, name, ok := strings.Cut(function, "/"); ok {
		return append(env, envNamespace+"="+ns, envFunction+"="+name)
	}
	return append(env, envFunction+"="+function)
}

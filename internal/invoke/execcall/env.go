package execcall

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
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
	for _, a := range attributes(call.Event) {
		if strings.IndexByte(a.Value, 0) >= 0 {
			return nil, fmt.Errorf("attribute %s holds a NUL byte, which an environment cannot carry", a.Name)
		}
		env = append(env, "CE_"+strings.ToUpper(a.Name)+"="+a.Value)
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

// attributes lists the attributes that are set.
func attributes(e *event.Event) []event.Attribute {
	all := append([]event.Attribute{
		{Name: "specversion", Value: event.SpecVersion},
		{Name: "id", Value: e.ID},
		{Name: "source", Value: e.Source},
		{Name: "type", Value: e.Type},
		{Name: "subject", Value: e.Subject},
		{Name: "time", Value: e.Time},
		{Name: "datacontenttype", Value: e.DataContentType},
		{Name: "dataschema", Value: e.DataSchema},
	}, e.Extensions...)
	return slices.DeleteFunc(all, func(a event.Attribute) bool { return a.Value == "" })
}

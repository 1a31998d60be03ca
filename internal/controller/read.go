package controller

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/filter"
	"github.com/pelton-dev/pelton/internal/function"
)

// readFunction reads a Function as `pelton up` reads a manifest: with the same defaults, which know a written zero from
// silence, and the same rules. So the resource is not decoded into its Go type first.
func readFunction(o *unstructured.Unstructured) (*function.Function, error) {
	text, err := json.Marshal(map[string]any{
		"apiVersion": o.GetAPIVersion(), "kind": o.GetKind(), "spec": o.Object["spec"],
		"metadata": map[string]any{"name": o.GetName(), "namespace": o.GetNamespace()},
	})
	if err != nil {
		return nil, fmt.Errorf("encode function: %w", err)
	}
	fn, problems := function.ParseJSON(text)
	for i := range problems {
		problems[i].Line, problems[i].Column = 0, 0 // of a text that nobody has seen
	}
	if fn != nil {
		problems = filterProblems(fn)
	}
	if len(problems) > 0 {
		return nil, &function.Invalid{Problems: problems}
	}
	return fn, nil
}

// filterProblems compiles filters, as the sidecar will.
func filterProblems(fn *function.Function) (problems []function.Problem) {
	for i, t := range fn.Spec.Triggers {
		if t.Event == nil || t.Event.Filter == "" {
			continue
		}
		if _, err := filter.Compile(t.Event.Filter); err != nil {
			problems = append(problems, function.Problem{Path: fmt.Sprintf("spec.triggers[%d].event.filter", i), Message: err.Error()})
		}
	}
	return problems
}

// onDelete reads what shall become of what waits, also from a manifest that is invalid otherwise.
func onDelete(o *unstructured.Unstructured) function.OnDelete {
	text, _, _ := unstructured.NestedString(o.Object, "spec", "onDelete")
	switch wish := function.OnDelete(text); wish {
	case function.OnDeleteDeadLetter, function.OnDeleteDiscard:
		return wish
	default:
		return function.OnDeleteKeep
	}
}

// maxMessage is the longest message of a condition.
const maxMessage = 32768

func conditionMessage(err error) string {
	text := strings.ToValidUTF8(err.Error(), "?")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage-3], "") + "..."
	}
	return text
}

package desired

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/filter"
	"github.com/pelton-dev/pelton/internal/function"
)

// Read reads a Function resource as `pelton up` reads a manifest: with the same defaults, which know a written zero from
// silence, and the same rules. So the resource is not decoded into its Go type first. What is wrong with it is a
// *function.Invalid.
func Read(o *unstructured.Unstructured) (*function.Function, error) {
	metadata := map[string]any{"name": o.GetName(), "namespace": o.GetNamespace()}
	if ours := annotations(o); len(ours) > 0 {
		metadata["annotations"] = ours
	}
	text, err := json.Marshal(map[string]any{
		"apiVersion": o.GetAPIVersion(), "kind": o.GetKind(), "spec": o.Object["spec"], "metadata": metadata,
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

// annotations are ours of all that a Function has: what others have written there is none of our business.
func annotations(o *unstructured.Unstructured) map[string]string {
	ours := map[string]string{}
	for name, value := range o.GetAnnotations() {
		if strings.HasPrefix(name, "pelton.dev/") {
			ours[name] = value
		}
	}
	return ours
}

// filterProblems compiles filters and the key of an order, as the sidecar will.
func filterProblems(fn *function.Function) (problems []function.Problem) {
	for i, t := range fn.Spec.Triggers {
		if t.Event == nil || t.Event.Filter == "" {
			continue
		}
		if _, err := filter.Compile(t.Event.Filter); err != nil {
			problems = append(problems, function.Problem{Path: fmt.Sprintf("spec.triggers[%d].event.filter", i), Message: err.Error()})
		}
	}
	if o := fn.Spec.Ordering; o != nil {
		if _, err := filter.CompileKey(o.Key); err != nil {
			problems = append(problems, function.Problem{Path: "spec.ordering.key", Message: err.Error()})
		}
	}
	return problems
}

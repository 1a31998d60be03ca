package v1alpha1

import (
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ConditionsOf reads the conditions of any object; what is not written as a condition has empty fields.
func ConditionsOf(o *unstructured.Unstructured) (conditions []metav1.Condition) {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, item := range list {
		fields, _ := item.(map[string]any)
		text := func(name string) string {
			s, _ := fields[name].(string)
			return s
		}
		generation, _ := fields["observedGeneration"].(int64)
		at, _ := time.Parse(time.RFC3339, text("lastTransitionTime"))
		conditions = append(conditions, metav1.Condition{
			Type: text("type"), Status: metav1.ConditionStatus(text("status")), Reason: text("reason"), Message: text("message"),
			LastTransitionTime: metav1.NewTime(at), ObservedGeneration: generation,
		})
	}
	return conditions
}

// ConditionOf returns a condition of any object, the zero value if it has none of that type.
func ConditionOf(o *unstructured.Unstructured, kind string) metav1.Condition {
	if c := apimeta.FindStatusCondition(ConditionsOf(o), kind); c != nil {
		return *c
	}
	return metav1.Condition{}
}

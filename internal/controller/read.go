package controller

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/function"
)

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

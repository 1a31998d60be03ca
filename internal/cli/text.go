package cli

import (
	"fmt"
	"unicode/utf8"

	"github.com/pelton-dev/pelton/internal/function"
)

func keyOf(namespace, name string) string {
	return function.Key{Namespace: namespace, Name: name}.String()
}

// maxData is how much data is shown to people.
const maxData = 2000

// dataText shows data as text, or says what it is.
func dataText(data []byte) string {
	switch {
	case len(data) == 0:
		return "(none)"
	case !utf8.Valid(data):
		return fmt.Sprintf("(%d bytes, not text)", len(data))
	default:
		return oneLine(string(data), maxData)
	}
}

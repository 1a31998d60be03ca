package filter

import (
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/pelton-dev/pelton/internal/event"
)

// Key is a compiled expression whose value is the key of an event's order. It is safe for concurrent use.
type Key struct {
	program cel.Program
	scratch sync.Pool
}

// CompileKey checks and compiles an expression, which must give a string. The error is an *Error.
func CompileKey(expr string) (*Key, error) {
	program, _, err := compile(expr, result{cel.StringType, "a string", "convert it, as in string(data.id)"})
	if err != nil {
		return nil, err
	}
	return &Key{program: program, scratch: newScratch()}, nil
}

// Of returns the key of an event. An error means that it has none: see Filter.Match for what can be the reason, and the value
// may not be a string.
func (k *Key) Of(e *event.Event) (string, error) {
	out, err := evaluate(k.program, &k.scratch, e)
	if err != nil {
		return "", fmt.Errorf("evaluate key: %w", err)
	}
	key, ok := out.(types.String)
	if !ok {
		return "", fmt.Errorf("evaluate key: the expression gave a %s, not a string", out.Type().TypeName())
	}
	return string(key), nil
}

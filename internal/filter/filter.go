// Package filter owns the expressions of event triggers: it compiles them and says whether an event matches.
//
// An expression is CEL over two variables. event is a map of the attributes that are set, extensions included, all strings;
// data is the event's data decoded from JSON, where integers are CEL integers. A Selector has those of
// several triggers, with their subjects. It knows events and manifests and nothing of streams. Both only compute; there is nothing to
// stop.
package filter

import (
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/pelton-dev/pelton/internal/event"
)

// MaxLength bounds an expression, in bytes.
const MaxLength = 4 << 10

// The names an expression may use.
const (
	varEvent = "event"
	varData  = "data"
)

// maxCost bounds one evaluation in CEL's units, so that no event can hold up a worker: a look-up is about 1, an element
// visited by a macro about 5. maxNesting bounds macros within macros.
const (
	maxCost    = 200_000
	maxNesting = 2
)

// Filter is a compiled expression. It is safe for concurrent use.
type Filter struct {
	plain   plain // asked first; nil if the expression has nothing plain
	program cel.Program
	scratch sync.Pool // of *activation: an evaluation keeps nothing
}

// Compile checks and compiles an expression, which must be boolean. The error is an *Error. It takes some tenths of a
// millisecond, more the first time; a Filter is kept for the life of its trigger and holds a few kilobytes.
func Compile(expr string) (*Filter, error) {
	program, checked, err := compile(expr, result{cel.BoolType, "true or false", `compare it, as in event.type == "order.created"`})
	if err != nil {
		return nil, err
	}
	return &Filter{plain: plainOf(checked), program: program, scratch: newScratch()}, nil
}

// result is what an expression must give.
type result struct {
	typ  *cel.Type
	name string
	hint string
}

func newScratch() sync.Pool { return sync.Pool{New: func() any { return new(activation) }} }

// compile returns the program of an expression, and the expression as it was checked.
func compile(expr string, want result) (cel.Program, ast.Expr, error) {
	if err := checkLength(expr); err != nil {
		return nil, nil, err
	}
	env, err := environment()
	if err != nil {
		return nil, nil, fmt.Errorf("build filter environment: %w", err)
	}
	compiled, issues := env.Compile(expr)
	if issues.Err() != nil {
		return nil, nil, describe(issues.Errors()[0])
	}
	if t := compiled.OutputType(); !t.IsExactType(want.typ) && !t.IsExactType(cel.DynType) {
		return nil, nil, &Error{
			Line: 1, Column: 1, Message: fmt.Sprintf("the expression gives a %s, not %s", t, want.name), Hint: want.hint,
		}
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	checked := compiled.NativeRep().Expr()
	if repeats(checked) {
		options = append(options, cel.CostLimit(maxCost))
	}
	program, err := env.Program(compiled, options...)
	if err != nil {
		return nil, nil, &Error{Line: 1, Column: 1, Message: oneLine(err.Error())}
	}
	return program, checked, nil
}

func environment() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable(varEvent, cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable(varData, cel.DynType),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(MaxLength),
		cel.ASTValidators(
			cel.ValidateRegexLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals(),
			cel.ValidateComprehensionNestingLimit(maxNesting)),
	)
}

// repeats reports whether an expression can do more work than it is long: macros loop over data, and regular expressions
// over text. Only these are metered, because metering trebles the cost of a plain comparison.
func repeats(expr ast.Expr) bool {
	found := false
	ast.PostOrderVisit(expr, ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.ComprehensionKind:
			found = true
		case ast.CallKind:
			found = found || e.AsCall().FunctionName() == overloads.Matches
		}
	}))
	return found
}

// Match evaluates the expression for one event. Data is decoded only if the evaluation reaches it.
//
// An error means that there is no answer: the expression reads an attribute or a member that is not there (guard it with
// has()), compares values of different types, reads data that is not JSON, or costs too much. Callers treat it as no match
// and count it.
func (f *Filter) Match(e *event.Event) (bool, error) {
	if f.plain != nil {
		if v := f.plain(e); v != unknown {
			return v == yes, nil
		}
	}
	out, err := evaluate(f.program, &f.scratch, e)
	if err != nil {
		return false, fmt.Errorf("evaluate filter: %w", err)
	}
	match, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("evaluate filter: the expression gave a %s, not true or false", out.Type().TypeName())
	}
	return bool(match), nil
}

func evaluate(program cel.Program, scratch *sync.Pool, e *event.Event) (ref.Val, error) {
	a := scratch.Get().(*activation)
	a.begin(e)
	out, _, err := program.Eval(a)
	a.begin(nil) // keep no event alive
	scratch.Put(a)
	return out, err
}

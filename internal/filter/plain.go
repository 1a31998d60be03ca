package filter

import (
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/pelton-dev/pelton/internal/event"
)

// A plain condition compares an attribute with a text, as nearly every filter does or begins with: event.type == "order.created",
// alone or with && and ||. It is decided without CEL, which would take a tenth of all that a sidecar does for an event of an instant
// handler. It never differs from CEL: what it cannot tell, CEL does.
type plain func(e *event.Event) verdict

type verdict uint8

const (
	unknown verdict = iota // CEL must say, or say why nobody can
	no
	yes
)

func verdictOf(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// plainOf returns the plain condition that an expression is, or begins with; nil if it is none.
func plainOf(expr ast.Expr) plain {
	if expr.Kind() != ast.CallKind {
		return nil
	}
	call := expr.AsCall()
	switch name := call.FunctionName(); name {
	case operators.LogicalAnd, operators.LogicalOr:
		return plainChain(call, name == operators.LogicalAnd)
	case operators.Equals, operators.NotEquals:
		return plainEquals(call.Args(), name == operators.Equals)
	case overloads.StartsWith:
		return plainPrefix(call)
	default:
		return nil
	}
}

// plainChain is && or ||, which CEL too reads from the left until one operand decides: no for &&, yes for ||.
func plainChain(call ast.CallExpr, and bool) plain {
	left, right := plainOf(call.Args()[0]), plainOf(call.Args()[1])
	if left == nil {
		return nil
	}
	decides := verdictOf(!and)
	return func(e *event.Event) verdict {
		switch v := left(e); {
		case v == decides || v == unknown:
			return v
		case right == nil:
			return unknown
		default:
			return right(e)
		}
	}
}

func plainEquals(args []ast.Expr, want bool) plain {
	name, ok := attributeIn(args[0])
	text, isText := textIn(args[1])
	if !ok || !isText {
		return nil
	}
	return func(e *event.Event) verdict {
		value, ok := attribute(e, name)
		if !ok {
			return unknown
		}
		return verdictOf((value == text) == want)
	}
}

func plainPrefix(call ast.CallExpr) plain {
	if !call.IsMemberFunction() {
		return nil
	}
	name, ok := attributeIn(call.Target())
	prefix, isText := textIn(call.Args()[0])
	if !ok || !isText {
		return nil
	}
	return func(e *event.Event) verdict {
		value, ok := attribute(e, name)
		if !ok {
			return unknown
		}
		return verdictOf(strings.HasPrefix(value, prefix))
	}
}

// attributeIn returns the name in event.name.
func attributeIn(expr ast.Expr) (name string, ok bool) {
	if expr.Kind() != ast.SelectKind {
		return "", false
	}
	s := expr.AsSelect()
	if s.IsTestOnly() || s.Operand().Kind() != ast.IdentKind || s.Operand().AsIdent() != varEvent {
		return "", false
	}
	return s.FieldName(), true
}

func textIn(expr ast.Expr) (text string, ok bool) {
	if expr.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := expr.AsLiteral().(types.String)
	return string(s), ok
}

// attribute is what activation.readAttributes has under a name.
func attribute(e *event.Event, name string) (value string, ok bool) {
	switch name {
	case "specversion":
		return event.SpecVersion, true
	case "id":
		return e.ID, true
	case "source":
		return e.Source, true
	case "type":
		return e.Type, true
	case "subject":
		return e.Subject, e.Subject != ""
	case "time":
		return e.Time, e.Time != ""
	case "datacontenttype":
		return e.DataContentType, e.DataContentType != ""
	case "dataschema":
		return e.DataSchema, e.DataSchema != ""
	}
	return e.Extension(name)
}

package filter

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/common"
)

// Error says where and why an expression is refused, on one line.
type Error struct {
	Line, Column int // 1-based; the column counts characters
	Message      string
	Hint         string // what to write instead; may be empty
}

// Error is one line: position, message and, if known, the hint in parentheses.
func (e *Error) Error() string {
	place := fmt.Sprintf("column %d", e.Column)
	if e.Line > 1 {
		place = fmt.Sprintf("line %d, column %d", e.Line, e.Column)
	}
	if e.Hint == "" {
		return fmt.Sprintf("%s: %s", place, e.Message)
	}
	return fmt.Sprintf("%s: %s (%s)", place, e.Message, e.Hint)
}

func checkLength(expr string) error {
	switch {
	case strings.TrimSpace(expr) == "":
		return &Error{Line: 1, Column: 1, Message: "the expression is empty", Hint: "leave the filter out to take every event"}
	case !utf8.ValidString(expr):
		return &Error{Line: 1, Column: 1, Message: "the expression is not valid UTF-8"}
	case len(expr) > MaxLength:
		return &Error{
			Line: 1, Column: MaxLength + 1,
			Message: fmt.Sprintf("the expression has %d bytes: at most %d", len(expr), MaxLength),
		}
	}
	return nil
}

func describe(e *common.Error) *Error {
	return &Error{
		Line:    max(1, e.Location.Line()), // an error of the whole expression has no place
		Column:  max(1, e.Location.Column()+1),
		Message: oneLine(e.Message),
		Hint:    hint(e.Message),
	}
}

// maxMessage bounds what is shown of CEL's messages, some of which list every token the grammar allows.
const maxMessage = 200

// oneLine makes CEL's message printable and short.
func oneLine(s string) string {
	s, _, _ = strings.Cut(s, " expecting {")
	s = strings.TrimPrefix(s, "Syntax error: ")
	s = strings.Replace(s, "mismatched input '<EOF>'", "the expression ends too early", 1)
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "..."
	}
	return s
}

// hint guesses what was meant. CEL's errors carry nothing but text; when a message changes, the hint is lost and nothing
// more. The first part that fits counts.
func hint(message string) string {
	for _, h := range [...]struct{ part, hint string }{
		{"recognition error at: '=", "write == to compare"},
		{"recognition error at: '&", "write && for and, || for or"},
		{"recognition error at: '|", "write && for and, || for or"},
		{"recognition error at: '\"", "a string is not closed"},
		{"recognition error at: ''", "a string is not closed"},
		{"mismatched input 'and'", "write && for and"},
		{"mismatched input 'or'", "write || for or"},
		{"mismatched input 'AND'", "write && for and"},
		{"mismatched input 'OR'", "write || for or"},
		{"did you mean", ""},
		{"undeclared reference", "the names are event, for attributes as in event.type, and data, for the decoded JSON"},
		{"'(type(type)", "write event.type for the type of the event"},
		{"(string, int)", "attributes are strings: compare with a string or convert with int(...)"},
		{"(string, double)", "attributes are strings: compare with a string or convert with double(...)"},
		{"(string, null)", "an attribute is set or not: ask has(event.name)"},
		{"nesting limit", "macros within macros visit data too often"},
		{"invalid matches argument", "the regular expression is not valid (RE2 syntax)"},
	} {
		if strings.Contains(message, h.part) {
			return h.hint
		}
	}
	return ""
}

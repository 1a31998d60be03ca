package function

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Problem is one thing wrong with a manifest, said so that the reader can put it right without looking anything up.
type Problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`   // 1-based; 0 if unknown
	Column  int    `json:"column,omitempty"` // 1-based; 0 if unknown
	Path    string `json:"path,omitempty"`   // "spec.scale.maxReplicas"; empty for the file as a whole
	Message string `json:"message"`          // what was found and why it is wrong
	Hint    string `json:"hint,omitempty"`   // what to write instead
}

// String formats p as "file:line:column: path: message (hint)", leaving out what is not known.
func (p Problem) String() string {
	var b strings.Builder
	if place := p.Place(); place != "" {
		b.WriteString(place + ": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Place formats where p is: "file:line:column", or as much of it as is known.
func (p Problem) Place() string {
	return place(p.File, position{p.Line, p.Column})
}

func place(file string, at position) string {
	switch {
	case at.line == 0:
		return file
	case at.column == 0:
		return fmt.Sprintf("%s:%d", file, at.line)
	}
	return fmt.Sprintf("%s:%d:%d", file, at.line, at.column)
}

// Invalid is the error of Load: all problems of all files.
type Invalid struct{ Problems []Problem }

// Error lists the problems, one per line.
func (e *Invalid) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// position is a place in a file; 0 is unknown.
type position struct{ line, column int }

// sortProblems orders problems as a reader meets them: by file, then from top to bottom.
func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// maxQuoted bounds how much of a user's text a message repeats.
const maxQuoted = 60

// quote shows a user's text in a message: escaped, so that control characters do no harm in a terminal, and cut.
func quote(s string) string {
	if len(s) <= maxQuoted {
		return fmt.Sprintf("%q", s)
	}
	cut := maxQuoted
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%q…", s[:cut])
}

package function

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// MaxManifestSize is the most bytes one file may have.
const MaxManifestSize = 1 << 20

// maxDocuments bounds the documents of one file.
const maxDocuments = 1000

// document is one document of a file, as a tree of nodes. JSON documents are made into the same tree.
type document struct {
	root   *yaml.Node
	offset int // lines of the file before this document
}

// readDocuments splits a file into documents. A document that is not YAML is a problem and does not hide the others.
func readDocuments(data []byte) (docs []document, problems []Problem) {
	if len(data) > MaxManifestSize {
		return nil, []Problem{tooLarge(int64(len(data)))}
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if p, ok := invalidUTF8(data); !ok {
		return nil, []Problem{p}
	}
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(data) {
		return []document{{root: jsonDocument(data)}}, nil
	}
	if p, ok := invalidRune(data); !ok {
		return nil, []Problem{p}
	}
	parts := splitDocuments(data)
	if len(parts) > maxDocuments {
		message := fmt.Sprintf("the file has %d documents, more than %d", len(parts), maxDocuments)
		return nil, []Problem{{Message: message, Hint: "split the file"}}
	}
	for _, part := range parts {
		root, err := parseYAML(part.text)
		switch {
		case err != nil:
			problems = append(problems, part.syntaxProblem(err))
		case root != nil:
			docs = append(docs, document{root: root, offset: part.offset})
		}
	}
	if len(docs) == 0 && len(problems) == 0 {
		hint := "begin with apiVersion: " + APIVersion + " and kind: " + Kind
		problems = append(problems, Problem{Message: "the file holds no manifest", Hint: hint})
	}
	return docs, problems
}

func tooLarge(size int64) Problem {
	return Problem{
		Message: fmt.Sprintf("the file has %d bytes, more than the %d a manifest may have", size, MaxManifestSize),
		Hint:    "split it, and keep data out of manifests",
	}
}

// invalidUTF8 returns the first place that is not UTF-8.
func invalidUTF8(data []byte) (p Problem, ok bool) {
	if utf8.Valid(data) {
		return p, true
	}
	i := 0
	for {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		i += size
	}
	p = problemAt(data, i, "the text is not valid UTF-8", "save the file as UTF-8")
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		p.Message = "the text is UTF-16"
	}
	return p, false
}

// invalidRune returns the first character that YAML does not allow in a file.
func invalidRune(data []byte) (p Problem, ok bool) {
	for i, r := range string(data) {
		next := i + utf8.RuneLen(r)
		switch {
		case r == '\r' && (next == len(data) || data[next] != '\n'):
			return problemAt(data, i, "a carriage return has no line feed after it", "save the file with LF or CRLF line ends"), false
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r >= 0x7f && r < 0xa0, r == '\ufffe', r == '\uffff', r == '\ufeff':
			message := fmt.Sprintf("the control character %U is not allowed", r)
			return problemAt(data, i, message, "delete it, or write it as an escape in a double-quoted text"), false
		}
	}
	return p, true
}

// problemAt makes a problem whose place is a byte offset.
func problemAt(data []byte, offset int, message, hint string) Problem {
	line := 1 + bytes.Count(data[:offset], []byte{'\n'})
	start := 1 + bytes.LastIndexByte(data[:offset], '\n')
	return Problem{Line: line, Column: 1 + utf8.RuneCount(data[start:offset]), Message: message, Hint: hint}
}

// part is the text of one YAML document.
type part struct {
	text   []byte
	offset int // lines before it
}

// splitDocuments cuts at lines that begin a document. YAML forbids such a line inside any value, so that the cut is safe and
// a syntax error in one document leaves the others readable, which the library's own splitting does not.
func splitDocuments(data []byte) []part {
	parts := []part{{}}
	line, start := 0, 0
	for text := range bytes.Lines(data) {
		if startsDocument(text) {
			parts = append(parts, part{offset: line})
		}
		start += len(text)
		line++
		last := &parts[len(parts)-1]
		last.text = data[start-len(text)-len(last.text) : start]
	}
	return parts
}

func startsDocument(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || bytes.ContainsAny(rest[:1], " \t\r\n"))
}

// parseYAML returns the root of a document, or nil if there is nothing but comments in it.
func parseYAML(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var node, more yaml.Node
	if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := decoder.Decode(&more); err == nil {
		return nil, fmt.Errorf("yaml: line %d: a second document begins without ---", more.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	root := node.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	return root, nil
}

// syntaxProblem turns an error of the YAML library, "yaml: line 3: text", into a problem with a place in the file.
func (p part) syntaxProblem(err error) Problem {
	line, message := yamlErrorLine(err)
	problem := Problem{Line: p.offset + line, Message: "the text is not YAML: " + message}
	lines := bytes.Split(p.text, []byte{'\n'})
	if line > len(lines) {
		problem.Line = p.offset + len(lines)
		return problem
	}
	text := string(lines[line-1])
	switch indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]; {
	case strings.Contains(indent, "\t"):
		problem.Column = 1 + strings.IndexByte(indent, '\t')
		problem.Message, problem.Hint = "the line is indented with a tab", "use spaces"
	case strings.HasPrefix(message, "mapping values are not allowed"):
		problem.Hint = "indent by two spaces, and put text that contains \": \" in quotes"
	}
	return problem
}

// yamlErrorLine takes an error of the library apart. Its parser, unlike its scanner, counts lines from 0, and neither says
// that a line is the first.
func yamlErrorLine(err error) (line int, message string) {
	message = strings.TrimPrefix(err.Error(), "yaml: ")
	line = 1
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		number, text, _ := strings.Cut(rest, ": ")
		if n, err := strconv.Atoi(number); err == nil {
			line, message = n, text
			if strings.HasPrefix(text, "did not find expected") {
				line++
			}
		}
	}
	return line, message
}

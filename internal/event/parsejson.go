package event

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// DefaultBatch is how many events ParseBatch takes when it is not told.
const DefaultBatch = 100

// maxMembers bounds the members of one event; more than any valid event has.
const maxMembers = MaxExtensions + 16

// errStop ends a scan after a problem that makes the rest of the document pointless.
var errStop = errors.New("stop")

// ParseJSON reads one event in the JSON event format. It reports every problem it finds, at most MaxProblems, and an event
// only if there is none.
//
// Data under a JSON datacontenttype, or without one, is kept byte for byte; a missing datacontenttype is then set to
// application/json, as the format asks of whoever sends the event on by another binding. The data shares memory with the
// document. Booleans and integers become their canonical strings.
func ParseJSON(document []byte) (*Event, []Problem) {
	s := scanner{data: document}
	e, problems, err := parseEvent(&s, "", 0)
	if err == nil {
		err = s.end()
	}
	problems = withSyntax(problems, "", err)
	if len(problems) > 0 {
		return nil, problems
	}
	return e, nil
}

// ParseBatch reads the JSON batch format: an array of at most maxEvents events (0 is DefaultBatch). Pointers of problems
// begin with the index of the event. It is all or nothing: with a problem in one event there are no events. An empty array
// is no event and no problem.
func ParseBatch(document []byte, maxEvents int) ([]*Event, []Problem) {
	if maxEvents <= 0 {
		maxEvents = DefaultBatch
	}
	s := scanner{data: document}
	if s.peek() != '[' {
		return nil, []Problem{notA("array of events", document)}
	}
	var events []*Event
	var problems []Problem
	index := 0
	err := s.array(0, func(depth int) error {
		if index == maxEvents {
			problems = append(problems[:min(len(problems), MaxProblems-1)], Problem{
				Code:   CodeBatchTooLarge,
				Detail: fmt.Sprintf("batch has more than %d events: send several batches", maxEvents),
			})
			return errStop
		}
		pointer := "/" + strconv.Itoa(index)
		index++
		e, found, err := parseEvent(&s, pointer, depth)
		problems = append(problems, found...)
		events = append(events, e)
		return err
	})
	if err == nil {
		err = s.end()
	}
	problems = withSyntax(problems[:min(len(problems), MaxProblems)], "", err)
	if len(problems) > 0 {
		return nil, problems
	}
	return events, nil
}

func withSyntax(problems []Problem, pointer string, err error) []Problem {
	if err == nil || errors.Is(err, errStop) || len(problems) >= MaxProblems {
		return problems
	}
	return append(problems, Problem{
		Pointer: pointer, Code: CodeInvalidJSON, Detail: "document is not valid JSON (want RFC 8259, in UTF-8): " + err.Error(),
	})
}

func notA(want string, document []byte) Problem {
	detail := "document begins with " + quote(string(document[:min(len(document), 16)])) + ": want a JSON " + want
	if bytes.HasPrefix(document, []byte("\xef\xbb\xbf")) {
		detail = "document begins with a byte order mark: leave it out"
	}
	if len(document) == 0 {
		detail = "document is empty: want a JSON " + want
	}
	return Problem{Code: CodeInvalidJSON, Detail: detail}
}

// eventParser reads the members of one event. The values of data are kept until the datacontenttype is known: members come
// in any order.
type eventParser struct {
	builder
	scanner *scanner
	names   []string
	data    []byte // raw values; nil when absent
	base64  []byte
}

// parseEvent reads one object. The error means that the scan cannot go on; the problems are in the event.
func parseEvent(s *scanner, pointer string, depth int) (*Event, []Problem, error) {
	if s.peek() != '{' {
		p := notA("object", s.data[s.pos:])
		p.Pointer = pointer
		return nil, []Problem{p}, errStop
	}
	p := eventParser{builder: builder{e: new(Event), place: placeJSON, pointer: pointer}, scanner: s}
	if err := s.object(depth, p.member); err != nil {
		return nil, p.problems, err
	}
	p.resolveData()
	p.finish()
	return p.e, p.problems, nil
}

func (p *eventParser) member(key []byte, depth int) error {
	raw, err := p.scanner.value(depth)
	if err != nil {
		return err
	}
	decoded, ok := unquoteJSON(key)
	name := string(decoded)
	switch {
	case !ok:
		name = string(key[1 : len(key)-1])
		p.problem(name, CodeInvalidName, quote(name)+" has half of a surrogate pair: want a-z and 0-9")
	case slices.Contains(p.names, name):
		p.duplicate(name)
	case len(p.names) == maxMembers:
		p.problem("", CodeTooManyAttributes, fmt.Sprintf("event has too many members: at most %d", maxMembers))
		return errStop
	default:
		p.names = append(p.names, name)
		p.assign(name, raw)
	}
	return nil
}

func (p *eventParser) assign(name string, raw []byte) {
	null := string(raw) == "null"
	switch {
	case name == memberData:
		p.data = raw
	case name == memberDataBase64:
		if !null {
			p.base64 = raw
		}
	case !validName(name):
		p.setExtension(name, "") // reports the name; attributeOf would take ID for id
	case !null:
		p.value(name, raw)
	}
}

func (p *eventParser) value(name string, raw []byte) {
	a := attributeOf(name)
	value, want := attributeValue(a, raw)
	if want == "" {
		p.set(name, value)
		return
	}
	p.mark(a)
	code := CodeInvalidAttribute
	if a == attrSpecVersion {
		code = CodeUnsupportedSpecVersion
	}
	p.problem(name, code, fmt.Sprintf("%s is %s: want %s", name, quote(string(raw)), want))
}

// attributeValue turns a JSON value into an attribute's string. want is "", or what should have been there.
func attributeValue(a attribute, raw []byte) (value, want string) {
	if raw[0] == '"' {
		s, ok := unquoteJSON(raw)
		if !ok {
			return "", "a string without half surrogate pairs"
		}
		return string(s), ""
	}
	if a != attrExtension {
		return "", "a string"
	}
	if s := string(raw); s == "true" || s == "false" {
		return s, ""
	}
	n, err := strconv.ParseInt(string(raw), 10, 32)
	if err != nil {
		return "", "a string, a boolean or an integer of 32 bits"
	}
	return strconv.FormatInt(n, 10), ""
}

func (p *eventParser) resolveData() {
	switch {
	case p.data != nil && p.base64 != nil:
		p.problem(memberDataBase64, CodeInvalidData, "data and data_base64 are both given: want one of them")
	case p.base64 != nil:
		p.resolveBase64()
	case p.data != nil:
		p.resolveValue()
	}
	p.e.Data = noneIfEmpty(p.e.Data)
}

func (p *eventParser) resolveBase64() {
	const want = ": want a string of base64 (RFC 4648, section 4) with padding and without line breaks"
	if p.base64[0] != '"' {
		p.problem(memberDataBase64, CodeInvalidData, "data_base64 is not a string"+want)
		return
	}
	text, ok := unquoteJSON(p.base64)
	data := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(data, text)
	if !ok || err != nil || bytes.ContainsAny(text, "\r\n") {
		p.problem(memberDataBase64, CodeInvalidData, "data_base64 "+quote(string(text))+" is not valid"+want)
		return
	}
	p.e.Data = data[:n]
}

func (p *eventParser) resolveValue() {
	contentType := p.e.DataContentType
	switch {
	case contentType == "" && p.mark(attrDataContentType):
		p.e.DataContentType, p.e.Data = "application/json", p.data
	case contentType == "":
		// The datacontenttype is broken and reported already.
	case declaresJSON(contentType):
		p.e.Data = p.data
	case p.data[0] != '"':
		p.problem(memberData, CodeInvalidData, fmt.Sprintf(
			"data is not a string, and datacontenttype %s is not JSON: want a string or data_base64", quote(contentType)))
	case !utf8Charset(contentType):
		p.problem(memberData, CodeInvalidData, fmt.Sprintf(
			"data cannot be written in the charset of %s here: want data_base64", quote(contentType)))
	default:
		text, ok := unquoteJSON(p.data)
		if !ok {
			p.problem(memberData, CodeInvalidData, "data has half of a surrogate pair: want valid text or data_base64")
		}
		p.e.Data = text
	}
}

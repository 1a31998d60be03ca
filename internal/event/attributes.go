package event

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of what the codecs accept. They keep the headers of one event well under what NATS and HTTP servers allow.
const (
	MaxName       = 64       // bytes of an attribute name (the specification asks for at most 20)
	MaxValue      = 4 << 10  // bytes of one attribute value
	MaxExtensions = 64       // extension attributes of one event
	MaxAttributes = 32 << 10 // bytes of all names and values together
)

// The names of the attributes the specification defines, and of the members that carry data in JSON.
const (
	nameID              = "id"
	nameSource          = "source"
	nameType            = "type"
	nameSpecVersion     = "specversion"
	nameSubject         = "subject"
	nameTime            = "time"
	nameDataContentType = "datacontenttype"
	nameDataSchema      = "dataschema"
	memberData          = "data"
	memberDataBase64    = "data_base64"
)

// attribute numbers the attributes the specification defines; bits of builder.seen.
type attribute uint8

const (
	attrExtension attribute = iota
	attrID
	attrSource
	attrType
	attrSpecVersion
	attrSubject
	attrTime
	attrDataContentType
	attrDataSchema
)

// attributeOf finds a defined attribute by name, in any case.
func attributeOf(name string) attribute {
	switch len(name) {
	case len(nameID):
		return matchName(name, nameID, attrID)
	case len(nameType): // and time
		if a := matchName(name, nameType, attrType); a != attrExtension {
			return a
		}
		return matchName(name, nameTime, attrTime)
	case len(nameSource):
		return matchName(name, nameSource, attrSource)
	case len(nameSubject):
		return matchName(name, nameSubject, attrSubject)
	case len(nameDataSchema):
		return matchName(name, nameDataSchema, attrDataSchema)
	case len(nameSpecVersion):
		return matchName(name, nameSpecVersion, attrSpecVersion)
	case len(nameDataContentType):
		return matchName(name, nameDataContentType, attrDataContentType)
	}
	return attrExtension
}

func matchName(name, want string, a attribute) attribute {
	if name == want || strings.EqualFold(name, want) {
		return a
	}
	return attrExtension
}

// field returns where e holds a defined attribute; nil for specversion, which an Event does not store.
func (e *Event) field(a attribute) *string {
	switch a {
	case attrID:
		return &e.ID
	case attrSource:
		return &e.Source
	case attrType:
		return &e.Type
	case attrSubject:
		return &e.Subject
	case attrTime:
		return &e.Time
	case attrDataContentType:
		return &e.DataContentType
	case attrDataSchema:
		return &e.DataSchema
	}
	return nil
}

// place is where a builder's attributes come from; it decides how a problem points at them.
type place uint8

const (
	placeMemory place = iota
	placeHeader
	placeJSON
)

// builder fills an event attribute by attribute and collects what is wrong. Every codec goes through it, so that all
// transports accept and refuse the same events.
type builder struct {
	e        *Event
	place    place
	pointer  string // placeJSON: pointer of the event within the document
	seen     uint16
	size     int
	problems []Problem
}

// set stores one attribute. The name is folded already; an invalid one is a problem.
func (b *builder) set(name, value string) {
	a := attributeOf(name)
	if a == attrExtension {
		b.setExtension(name, value)
		return
	}
	if !b.mark(a) {
		b.duplicate(name)
		return
	}
	code, detail := check(a, name, value)
	if code != "" {
		b.problem(name, code, detail)
		return
	}
	b.size += len(name) + len(value)
	if f := b.e.field(a); f != nil {
		*f = value
	}
}

// mark notes that an attribute was given, even when its value is useless: it is then not reported as missing.
func (b *builder) mark(a attribute) bool {
	bit := uint16(1) << a
	fresh := b.seen&bit == 0
	b.seen |= bit
	return fresh
}

func (b *builder) setExtension(name, value string) {
	if !validName(name) {
		b.problem(name, CodeInvalidName, fmt.Sprintf(
			"%s cannot name an attribute: want 1 to %d of a-z and 0-9, and not %q", quote(name), MaxName, memberData))
		return
	}
	if _, ok := b.e.Extension(name); ok {
		b.duplicate(name)
		return
	}
	if code, detail := check(attrExtension, name, value); code != "" {
		b.problem(name, code, detail)
		return
	}
	b.size += len(name) + len(value)
	if len(b.e.Extensions) == MaxExtensions {
		b.problem(name, CodeTooManyAttributes, fmt.Sprintf("%s is one extension too many: at most %d", name, MaxExtensions))
		return
	}
	b.e.Extensions = append(b.e.Extensions, Attribute{name, value})
}

func (b *builder) duplicate(name string) {
	code, want := CodeDuplicateMember, "want one member"
	if b.place == placeHeader {
		code, want = CodeDuplicateHeader, "want one header, in upper or lower case"
	}
	b.problem(name, code, fmt.Sprintf("%s is given more than once: %s", show(name), want))
}

func (b *builder) problem(name, code, detail string) {
	if len(b.problems) >= MaxProblems {
		return
	}
	p := Problem{Attribute: show(name), Code: code, Detail: detail}
	switch b.place {
	case placeHeader:
		p.Header = headerPrefix + p.Attribute
	case placeJSON:
		p.Pointer = b.pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(p.Attribute)
	}
	b.problems = append(b.problems, p)
}

// show is a name as messages print it: bare when it is a plain one, else escaped and cut.
func show(name string) string {
	if len(name) <= MaxName && validURIBytes(name) {
		return name
	}
	return quote(name)
}

// finish reports what is missing and puts extensions in order. The event is valid when it returns true.
func (b *builder) finish() bool {
	for _, a := range [...]struct {
		attribute
		name string
	}{{attrID, nameID}, {attrSource, nameSource}, {attrSpecVersion, nameSpecVersion}, {attrType, nameType}} {
		if b.mark(a.attribute) {
			b.problem(a.name, CodeMissingAttribute, a.name+" is missing: every CloudEvent needs it")
		}
	}
	if b.size > MaxAttributes {
		b.problem("", CodeTooManyAttributes, fmt.Sprintf("attributes take %d bytes: at most %d", b.size, MaxAttributes))
	}
	if len(b.e.Extensions) > 1 {
		slices.SortFunc(b.e.Extensions, func(x, y Attribute) int { return strings.Compare(x.Name, y.Name) })
	}
	return len(b.problems) == 0
}

// Validate checks e as the codecs check what they read. An event made in memory is checked before it is sent.
func (e *Event) Validate() []Problem {
	b := builder{e: &Event{}}
	b.mark(attrSpecVersion)
	for a := attrID; a <= attrDataSchema; a++ {
		if f := e.field(a); f != nil && *f != "" {
			b.set(nameOf(a), *f)
		}
	}
	for _, x := range e.Extensions {
		b.set(x.Name, x.Value)
	}
	b.finish()
	return b.problems
}

func nameOf(a attribute) string {
	return [...]string{
		attrID: nameID, attrSource: nameSource, attrType: nameType, attrSpecVersion: nameSpecVersion,
		attrSubject: nameSubject, attrTime: nameTime, attrDataContentType: nameDataContentType, attrDataSchema: nameDataSchema,
	}[a]
}

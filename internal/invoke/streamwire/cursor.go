package streamwire

import (
	"errors"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pelton-dev/pelton/internal/event"
)

var (
	errUTF8  = errors.New("text is not UTF-8")
	errField = errors.New("invalid field number")
)

// cursor walks the fields of one message. After the first error next returns false and err says why.
type cursor struct {
	rest []byte
	num  protowire.Number
	typ  protowire.Type
	err  error
}

// next reads the next field's tag. The field's value must then be taken by exactly one of the methods below.
func (c *cursor) next() bool {
	if c.err != nil || len(c.rest) == 0 {
		return false
	}
	num, typ, n := protowire.ConsumeTag(c.rest)
	if !c.advance(n) {
		return false
	}
	if num > protowire.MaxValidNumber { // ConsumeTag lets these pass
		c.err = errField
		return false
	}
	c.num, c.typ = num, typ
	return true
}

// key is the field's number and wire type in one: a known number with another wire type is an unknown field.
func (c *cursor) key() uint64 { return protowire.EncodeTag(c.num, c.typ) }

func varintKey(num protowire.Number) uint64 { return protowire.EncodeTag(num, protowire.VarintType) }
func bytesKey(num protowire.Number) uint64  { return protowire.EncodeTag(num, protowire.BytesType) }

func (c *cursor) varint() uint64 {
	v, n := protowire.ConsumeVarint(c.rest)
	c.advance(n)
	return v
}

// bytes returns a part of the message, not a copy.
func (c *cursor) bytes() []byte {
	v, n := protowire.ConsumeBytes(c.rest)
	c.advance(n)
	return v
}

func (c *cursor) string() string {
	v := c.bytes()
	if !utf8.Valid(v) && c.err == nil {
		c.err = errUTF8
	}
	return string(v)
}

func (c *cursor) event(into *event.Event) *event.Event {
	if into == nil {
		into = &event.Event{}
	}
	if b := c.bytes(); c.err == nil {
		c.err = decodeEvent(into, b)
	}
	return into
}

func (c *cursor) attribute() event.Attribute {
	var a event.Attribute
	m := cursor{rest: c.bytes()}
	for m.next() {
		switch m.key() {
		case bytesKey(1):
			a.Name = m.string()
		case bytesKey(2):
			a.Value = m.string()
		default:
			m.skip()
		}
	}
	if c.err == nil {
		c.err = m.err
	}
	return a
}

func (c *cursor) skip() { c.advance(protowire.ConsumeFieldValue(c.num, c.typ, c.rest)) }

// advance moves past n bytes; a negative n is protowire's error code.
func (c *cursor) advance(n int) bool {
	if n < 0 {
		c.err = protowire.ParseError(n)
		return false
	}
	c.rest = c.rest[n:]
	return true
}

package streamwire

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pelton-dev/pelton/internal/event"
)

// Decode reads the body of one frame, the bytes after its length. It keeps nothing of b. As protobuf asks, unknown fields
// are skipped and a message that comes twice is merged.
func (f *Frame) Decode(b []byte) error {
	f.Kind = KindNone
	c := cursor{rest: b}
	for c.next() {
		k := Kind(c.num)
		if c.typ != protowire.BytesType || c.num < 1 || c.num > protowire.Number(lastKind) {
			c.skip()
			continue
		}
		body := c.bytes()
		if c.err != nil {
			break
		}
		if k != f.Kind {
			*f = Frame{Kind: k}
		}
		if err := f.decodeMessage(body); err != nil {
			return fmt.Errorf("decode frame: field %d: %w", k, err)
		}
	}
	if c.err != nil {
		return fmt.Errorf("decode frame: %w", c.err)
	}
	return nil
}

func (f *Frame) decodeMessage(b []byte) error {
	switch f.Kind {
	case KindHello:
		return f.Hello.decode(b)
	case KindWelcome:
		return f.Welcome.decode(b)
	case KindRefuse:
		return f.Refuse.decode(b)
	case KindCall:
		return f.Call.decode(b)
	case KindResult:
		return f.Result.decode(b)
	case KindCancel:
		return f.Cancel.decode(b)
	case KindBatch:
		if f.Batch == nil {
			f.Batch = &Batch{}
		}
		return f.Batch.decode(b)
	case KindBatchResult:
		if f.BatchResult == nil {
			f.BatchResult = &BatchResult{}
		}
		return f.BatchResult.decode(b)
	default:
		c := cursor{rest: b}
		for c.next() {
			c.skip()
		}
		return c.err
	}
}

func (h *Hello) decode(b []byte) error {
	c := cursor{rest: b}
	for c.next() {
		switch c.key() {
		case varintKey(1):
			h.Version = uint32(c.varint())
		case bytesKey(2):
			h.SDK = c.string()
		case varintKey(3):
			h.Batches = c.varint() != 0
		default:
			c.skip()
		}
	}
	return c.err
}

func (w *Welcome) decode(b []byte) error {
	c := cursor{rest: b}
	for c.next() {
		switch c.key() {
		case varintKey(1):
			w.Version = uint32(c.varint())
		case bytesKey(2):
			w.Function = c.string()
		case bytesKey(3):
			w.Namespace = c.string()
		case bytesKey(4):
			w.Replica = c.string()
		case varintKey(5):
			w.MaxResponse = c.varint()
		case varintKey(6):
			w.MaxFrame = c.varint()
		case varintKey(7):
			w.MaxBatchResponse = c.varint()
		default:
			c.skip()
		}
	}
	return c.err
}

func (r *Refuse) decode(b []byte) error {
	c := cursor{rest: b}
	for c.next() {
		switch c.key() {
		case bytesKey(1):
			r.Reason = c.string()
		default:
			c.skip()
		}
	}
	return c.err
}

func (m *Call) decode(b []byte) error {
	c := cursor{rest: b}
	for c.next() {
		switch c.key() {
		case varintKey(1):
			m.ID = c.varint()
		case bytesKey(2):
			m.Event = c.event(m.Event)
		case varintKey(3):
			m.Attempt = uint32(c.varint())
		case varintKey(4):
			m.Redeliveries = uint32(c.varint())
		case varintKey(5):
			m.Deadline = int64(c.varint())
		case varintKey(6):
			m.Epoch = c.varint()
		default:
			c.skip()
		}
	}
	return c.err
}

func (r *Result) decode(b []byte) error {
	c := cursor{rest: b}
	for c.next() {
		switch c.key() {
		case varintKey(1):
			r.ID = c.varint()
		case varintKey(2):
			r.Outcome = Outcome(c.varint())
		case varintKey(3):
			r.RetryAfter = int64(c.varint())
		case bytesKey(4):
			r.Reason = c.string()
		case bytesKey(5):
			r.Reply = c.event(r.Reply)
		default:
			c.skip()
		}
	}
	return c.err
}

func (m *Cancel) decode(b []byte) error {
	c := cursor{rest: b}
	for c.next() {
		switch c.key() {
		case varintKey(1):
			m.ID = c.varint()
		default:
			c.skip()
		}
	}
	return c.err
}

func decodeEvent(e *event.Event, b []byte) error {
	c := cursor{rest: b}
	for c.next() {
		switch c.key() {
		case bytesKey(1):
			e.ID = c.string()
		case bytesKey(2):
			e.Source = c.string()
		case bytesKey(3):
			e.Type = c.string()
		case bytesKey(4):
			e.Subject = c.string()
		case bytesKey(5):
			e.Time = c.string()
		case bytesKey(6):
			e.DataContentType = c.string()
		case bytesKey(7):
			e.DataSchema = c.string()
		case bytesKey(8):
			e.Extensions = append(e.Extensions, c.attribute())
		case bytesKey(9):
			e.Data = bytes.Clone(c.bytes())
		default:
			c.skip()
		}
	}
	return c.err
}

// ResultID reads the id of a Result or BatchResult from the first bytes of its frame, for a frame that is too large to be read whole.
// It finds it if the id stands first, where every protobuf library writes it.
func ResultID(head []byte) (uint64, bool) {
	c := cursor{rest: head}
	if !c.next() || c.key() != bytesKey(protowire.Number(KindResult)) && c.key() != bytesKey(protowire.Number(KindBatchResult)) {
		return 0, false
	}
	c.varint() // the message's length
	if !c.next() || c.key() != varintKey(1) {
		return 0, false
	}
	id := c.varint()
	return id, c.err == nil
}

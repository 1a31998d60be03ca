package streamwire

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pelton-dev/pelton/internal/event"
)

// AppendHello appends h as a frame with its length.
func AppendHello(b []byte, h *Hello) []byte {
	batches := uint64(0)
	if h.Batches {
		batches = 1
	}
	b = appendHead(b, KindHello, sizeUint(1, uint64(h.Version))+sizeString(2, h.SDK)+sizeUint(3, batches))
	b = appendUint(b, 1, uint64(h.Version))
	b = appendString(b, 2, h.SDK)
	return appendUint(b, 3, batches)
}

// AppendWelcome appends w as a frame with its length.
func AppendWelcome(b []byte, w *Welcome) []byte {
	size := sizeUint(1, uint64(w.Version)) + sizeString(2, w.Function) + sizeString(3, w.Namespace) +
		sizeString(4, w.Replica) + sizeUint(5, w.MaxResponse) + sizeUint(6, w.MaxFrame) + sizeUint(7, w.MaxBatchResponse)
	b = appendHead(b, KindWelcome, size)
	b = appendUint(b, 1, uint64(w.Version))
	b = appendString(b, 2, w.Function)
	b = appendString(b, 3, w.Namespace)
	b = appendString(b, 4, w.Replica)
	b = appendUint(b, 5, w.MaxResponse)
	b = appendUint(b, 6, w.MaxFrame)
	return appendUint(b, 7, w.MaxBatchResponse)
}

// AppendRefuse appends r as a frame with its length.
func AppendRefuse(b []byte, r *Refuse) []byte {
	return appendString(appendHead(b, KindRefuse, sizeString(1, r.Reason)), 1, r.Reason)
}

// AppendCall appends c as a frame with its length.
func AppendCall(b []byte, c *Call) []byte {
	eventSize := SizeEvent(c.Event)
	return appendCall(appendHead(b, KindCall, callSize(c, eventSize)), c, eventSize)
}

func appendCall(b []byte, c *Call, eventSize int) []byte {
	b = appendUint(b, 1, c.ID)
	b = appendEvent(b, 2, c.Event, eventSize)
	b = appendUint(b, 3, uint64(c.Attempt))
	b = appendUint(b, 4, uint64(c.Redeliveries))
	b = appendUint(b, 5, uint64(c.Deadline))
	return appendUint(b, 6, c.Epoch)
}

func callSize(c *Call, eventSize int) int {
	return sizeUint(1, c.ID) + sizeEventField(2, c.Event, eventSize) + sizeUint(3, uint64(c.Attempt)) +
		sizeUint(4, uint64(c.Redeliveries)) + sizeUint(5, uint64(c.Deadline)) + sizeUint(6, c.Epoch)
}

// AppendResult appends r as a frame with its length.
func AppendResult(b []byte, r *Result) []byte {
	replySize := SizeEvent(r.Reply)
	return appendResult(appendHead(b, KindResult, resultSize(r, replySize)), r, replySize)
}

func appendResult(b []byte, r *Result, replySize int) []byte {
	b = appendUint(b, 1, r.ID)
	b = appendUint(b, 2, uint64(r.Outcome))
	b = appendUint(b, 3, uint64(r.RetryAfter))
	b = appendString(b, 4, r.Reason)
	return appendEvent(b, 5, r.Reply, replySize)
}

// SizeResult returns the size of the Result message, the number that Welcome.MaxResponse bounds.
func SizeResult(r *Result) int { return resultSize(r, SizeEvent(r.Reply)) }

func resultSize(r *Result, replySize int) int {
	return sizeUint(1, r.ID) + sizeUint(2, uint64(r.Outcome)) + sizeUint(3, uint64(r.RetryAfter)) +
		sizeString(4, r.Reason) + sizeEventField(5, r.Reply, replySize)
}

// AppendCancel appends c as a frame with its length.
func AppendCancel(b []byte, c *Cancel) []byte {
	return appendUint(appendHead(b, KindCancel, sizeUint(1, c.ID)), 1, c.ID)
}

// AppendGoodbye appends a Goodbye as a frame with its length.
func AppendGoodbye(b []byte) []byte { return appendHead(b, KindGoodbye, 0) }

// appendHead appends what stands before a message of the given size: the frame's length, the tag, the message's length.
func appendHead(b []byte, k Kind, size int) []byte {
	b = protowire.AppendVarint(b, uint64(protowire.SizeTag(protowire.Number(k))+protowire.SizeBytes(size)))
	b = protowire.AppendTag(b, protowire.Number(k), protowire.BytesType)
	return protowire.AppendVarint(b, uint64(size))
}

// SizeEvent returns the size of the Event message, without its tag and length.
func SizeEvent(e *event.Event) int {
	if e == nil {
		return 0
	}
	size := sizeString(1, e.ID) + sizeString(2, e.Source) + sizeString(3, e.Type) + sizeString(4, e.Subject) +
		sizeString(5, e.Time) + sizeString(6, e.DataContentType) + sizeString(7, e.DataSchema)
	for i := range e.Extensions {
		size += protowire.SizeTag(8) + protowire.SizeBytes(sizeAttribute(&e.Extensions[i]))
	}
	if len(e.Data) > 0 {
		size += protowire.SizeTag(9) + protowire.SizeBytes(len(e.Data))
	}
	return size
}

func sizeEventField(num protowire.Number, e *event.Event, size int) int {
	if e == nil {
		return 0
	}
	return protowire.SizeTag(num) + protowire.SizeBytes(size)
}

func appendEvent(b []byte, num protowire.Number, e *event.Event, size int) []byte {
	if e == nil {
		return b
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, num, protowire.BytesType), uint64(size))
	b = appendString(b, 1, e.ID)
	b = appendString(b, 2, e.Source)
	b = appendString(b, 3, e.Type)
	b = appendString(b, 4, e.Subject)
	b = appendString(b, 5, e.Time)
	b = appendString(b, 6, e.DataContentType)
	b = appendString(b, 7, e.DataSchema)
	for i := range e.Extensions {
		b = appendAttribute(b, &e.Extensions[i])
	}
	if len(e.Data) > 0 {
		b = protowire.AppendBytes(protowire.AppendTag(b, 9, protowire.BytesType), e.Data)
	}
	return b
}

func sizeAttribute(a *event.Attribute) int { return sizeString(1, a.Name) + sizeString(2, a.Value) }

func appendAttribute(b []byte, a *event.Attribute) []byte {
	b = protowire.AppendTag(b, 8, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(sizeAttribute(a)))
	return appendString(appendString(b, 1, a.Name), 2, a.Value)
}

func sizeUint(num protowire.Number, v uint64) int {
	if v == 0 {
		return 0
	}
	return protowire.SizeTag(num) + protowire.SizeVarint(v)
}

func appendUint(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func sizeString(num protowire.Number, s string) int {
	if s == "" {
		return 0
	}
	return protowire.SizeTag(num) + protowire.SizeBytes(len(s))
}

func appendString(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

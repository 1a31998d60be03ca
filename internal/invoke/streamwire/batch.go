package streamwire

import "google.golang.org/protobuf/encoding/protowire"

// AppendBatch appends m as a frame with its length.
func AppendBatch(b []byte, m *Batch) []byte {
	size := sizeUint(1, m.ID) + sizeUint(3, uint64(m.Deadline))
	for i := range m.Calls {
		size += sizeMessage(2, callSize(&m.Calls[i], SizeEvent(m.Calls[i].Event)))
	}
	b = appendUint(appendHead(b, KindBatch, size), 1, m.ID)
	for i := range m.Calls {
		c := &m.Calls[i]
		eventSize := SizeEvent(c.Event)
		b = appendCall(appendMessage(b, 2, callSize(c, eventSize)), c, eventSize)
	}
	return appendUint(b, 3, uint64(m.Deadline))
}

// AppendBatchResult appends r as a frame with its length.
func AppendBatchResult(b []byte, r *BatchResult) []byte {
	b = appendUint(appendHead(b, KindBatchResult, SizeBatchResult(r)), 1, r.ID)
	for i := range r.Results {
		b = appendResultField(b, 2, &r.Results[i])
	}
	if r.All != nil {
		b = appendResultField(b, 3, r.All)
	}
	return b
}

// SizeBatchResult returns the size of the BatchResult message, the number that Welcome.MaxBatchResponse bounds.
func SizeBatchResult(r *BatchResult) int {
	size := sizeUint(1, r.ID)
	for i := range r.Results {
		size += sizeMessage(2, SizeResult(&r.Results[i]))
	}
	if r.All != nil {
		size += sizeMessage(3, SizeResult(r.All))
	}
	return size
}

func appendResultField(b []byte, num protowire.Number, r *Result) []byte {
	replySize := SizeEvent(r.Reply)
	return appendResult(appendMessage(b, num, resultSize(r, replySize)), r, replySize)
}

// sizeMessage is what a message of this size takes as a field.
func sizeMessage(num protowire.Number, size int) int {
	return protowire.SizeTag(num) + protowire.SizeBytes(size)
}

// appendMessage appends what stands before a message of this size.
func appendMessage(b []byte, num protowire.Number, size int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.BytesType), uint64(size))
}

func (m *Batch) decode(b []byte) error {
	c := cursor{rest: b}
	for c.next() {
		switch c.key() {
		case varintKey(1):
			m.ID = c.varint()
		case bytesKey(2):
			var call Call
			if body := c.bytes(); c.err == nil {
				c.err = call.decode(body)
			}
			m.Calls = append(m.Calls, call)
		case varintKey(3):
			m.Deadline = int64(c.varint())
		default:
			c.skip()
		}
	}
	return c.err
}

func (r *BatchResult) decode(b []byte) error {
	c := cursor{rest: b}
	for c.next() {
		switch c.key() {
		case varintKey(1):
			r.ID = c.varint()
		case bytesKey(2):
			r.Results = append(r.Results, Result{})
			c.result(&r.Results[len(r.Results)-1])
		case bytesKey(3):
			if r.All == nil {
				r.All = &Result{}
			}
			c.result(r.All)
		default:
			c.skip()
		}
	}
	return c.err
}

func (c *cursor) result(into *Result) {
	if b := c.bytes(); c.err == nil {
		c.err = into.decode(b)
	}
}

package scrub

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"os"

	"github.com/nats-io/nats-server/v2/server/avl"
)

// hole is a part of a block that is no record.
type hole struct {
	begin, end int
	after      uint64 // the sequence of the last record before it; 0 is none
	before     uint64 // the first one after it; 0 is none
	subject    string
	empty      bool // too small for a message: it said that one is gone
	torn       bool // the block ends within it
}

// block is one file of messages.
type block struct {
	number int
	path   string
	size   int
	first  uint64 // of the messages that can be read; 0 is none
	last   uint64
	time   uint64 // of the last record
	holes  []hole
	sealed bool // encrypted or compressed: nobody has looked at it
}

// compressed is how a file begins that the server has compressed.
var compressed = []byte("cmp")

// scanBlock reads a file of a stream. What can be read goes into live, and what is known to be deleted into gone.
func (s *streamScan) scanBlock(path string, number int) (*block, error) {
	buf, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read block: %w", err)
	}
	b := &block{number: number, path: path, size: len(buf)}
	if bytes.HasPrefix(buf, compressed) {
		b.sealed = true
		return b, nil
	}
	h, err := hasher(s.name, number)
	if err != nil {
		return nil, err
	}
	for at := 0; at < len(buf); {
		r, whole := read(buf[at:], h)
		if whole && s.possible(r) {
			b.take(r, &s.live, &s.gone)
			at += r.size
			continue
		}
		at = b.damaged(buf, at, h)
	}
	return b, nil
}

// possible looks at a subject whose length no checksum covers: where there are no headers, the subject may have been made longer
// or shorter at the cost of the data. An index of the very end knows the subjects of all messages that are still there; those
// that were deleted stay in the block for a while, and their subjects may be gone from the index.
func (s *streamScan) possible(r record) bool {
	if r.headers || r.tomb || r.erased {
		return true
	}
	return plausible(r.subject) != "" && (!s.clean || !s.index.live(r.seq) || s.index.subjects[string(r.subject)])
}

func (b *block) take(r record, live, gone *avl.SequenceSet) {
	if r.tomb || r.erased || r.seq == 0 {
		gone.Insert(r.seq)
	} else {
		live.Insert(r.seq)
		if b.first == 0 {
			b.first = r.seq
		}
		b.last = max(b.last, r.seq)
	}
	b.time = r.time
	if n := len(b.holes); n > 0 && !r.tomb && b.holes[n-1].before == 0 {
		b.holes[n-1].before = r.seq
	}
}

// damaged notes a hole and returns where the next record begins.
func (b *block) damaged(buf []byte, at int, h hash.Hash64) int {
	r, _, fits := head(buf[at:])
	gap := hole{begin: at, after: b.last, end: len(buf), torn: true}
	if fits && (at+r.size == len(buf) || isRecord(buf[at+r.size:], h)) {
		gap.end, gap.torn = at+r.size, false
	} else {
		for next := at + 1; next <= len(buf)-minRecord; next++ {
			if b.couldFollow(buf[next:]) && isRecord(buf[next:], h) {
				gap.end, gap.torn = next, false
				break
			}
		}
	}
	gap.empty = gap.end-gap.begin == minRecord
	if fits && !gap.torn {
		gap.subject = plausible(r.subject)
	}
	b.holes = append(b.holes, gap)
	return gap.end
}

func isRecord(buf []byte, h hash.Hash64) bool {
	_, whole := read(buf, h)
	return whole
}

// reach is how far sequences can jump within a block.
const reach = 1 << 24

// couldFollow is a cheap look at whether a record can begin here.
func (b *block) couldFollow(buf []byte) bool {
	r, _, fits := head(buf)
	return fits && (r.tomb || b.last == 0 || r.seq > b.last && r.seq-b.last < reach)
}

var errChanged = errors.New("it has changed since it was read")

// mended is the block without its holes: for each, a mark with the last sequence that was lost in it, so that the server does
// not give that number to another message.
func (b *block) mended(stream string, marks map[int]uint64, end uint64) ([]byte, error) {
	buf, err := os.ReadFile(b.path)
	if err != nil {
		return nil, fmt.Errorf("read block: %w", err)
	}
	if len(buf) != b.size {
		return nil, fmt.Errorf("mend %s: %w", b.path, errChanged)
	}
	h, err := hasher(stream, b.number)
	if err != nil {
		return nil, err
	}
	var out []byte
	at := 0
	for i, gap := range b.holes {
		out = append(out, buf[at:gap.begin]...)
		if seq := marks[i]; seq != 0 {
			out = append(out, mark(seq, b.time, h)...)
		}
		at = gap.end
	}
	out = append(out, buf[at:]...)
	if end != 0 {
		out = append(out, mark(end, b.time, h)...)
	}
	return out, nil
}

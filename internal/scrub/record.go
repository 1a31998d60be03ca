package scrub

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"unicode/utf8"

	"github.com/minio/highwayhash"
)

// A record is length(4) sequence(8) timestamp(8) subject length(2) subject [header length(4) header] data hash(8), in little
// endian. The hash is not over the lengths.
const (
	headSize    = 22
	hashSize    = 8
	minRecord   = headSize + hashSize
	maxRecord   = 32 << 20 // the server takes longer ones for damaged
	headerBit   = 1 << 31  // in the length: there are headers
	erasedBit   = 1 << 63  // in the sequence: there was a message, and it is gone
	tombBit     = 1 << 62  // in the sequence: that message was deleted; the record is not of its own
	sequenceCut = tombBit - 1
)

// record is what one record says.
type record struct {
	size    int
	seq     uint64
	time    uint64
	erased  bool
	tomb    bool
	headers bool
	subject []byte
}

// hasher makes the hash of the records of one block file.
func hasher(stream string, block int) (hash.Hash64, error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", stream, block))
	h, err := highwayhash.New64(key[:])
	if err != nil {
		return nil, fmt.Errorf("make hash: %w", err)
	}
	return h, nil
}

// head reads what stands before the data, without believing it. It reports whether the lengths fit into buf.
func head(buf []byte) (r record, body []byte, fits bool) {
	if len(buf) < minRecord {
		return r, nil, false
	}
	le := binary.LittleEndian
	length, subject := le.Uint32(buf), int(le.Uint16(buf[20:]))
	headers := length&headerBit != 0
	r.size = int(length &^ headerBit)
	least := minRecord + subject
	if headers {
		least += 4
	}
	if r.size < least || r.size > maxRecord || r.size > len(buf) {
		return r, nil, false
	}
	seq := le.Uint64(buf[4:])
	r.seq, r.erased, r.tomb = seq&sequenceCut, seq&erasedBit != 0, seq&tombBit != 0
	r.time, r.subject, r.headers = le.Uint64(buf[12:]), buf[headSize:headSize+subject], headers
	return r, buf[headSize+subject : r.size-hashSize], true
}

var (
	headerBegin = []byte("NATS/1.0")
	headerEnd   = []byte("\r\n\r\n")
)

// read reads the record at the beginning of buf and reports whether it is whole.
func read(buf []byte, h hash.Hash64) (record, bool) {
	r, body, fits := head(buf)
	if !fits {
		return r, false
	}
	h.Reset()
	_, _ = h.Write(buf[4:20])
	_, _ = h.Write(r.subject)
	if r.headers {
		length := binary.LittleEndian.Uint32(body)
		body = body[4:]
		if uint64(length) > uint64(len(body)) || !wholeHeader(body[:length]) {
			return r, false
		}
	}
	_, _ = h.Write(body)
	return r, h.Sum64() == binary.LittleEndian.Uint64(buf[r.size-hashSize:])
}

// wholeHeader reports whether headers begin and end as they must: their length is not in the hash.
func wholeHeader(header []byte) bool {
	return bytes.HasPrefix(header, headerBegin) && bytes.HasSuffix(header, headerEnd) &&
		bytes.Index(header, headerEnd) == len(header)-len(headerEnd)
}

// mark is the record of a message that is gone.
func mark(seq, time uint64, h hash.Hash64) []byte {
	le := binary.LittleEndian
	buf := make([]byte, headSize, minRecord)
	le.PutUint32(buf, minRecord)
	le.PutUint64(buf[4:], seq|erasedBit)
	le.PutUint64(buf[12:], time)
	h.Reset()
	_, _ = h.Write(buf[4:20])
	return h.Sum(buf)
}

// plausible is a subject as it can be read in a damaged record; "" if it can not.
func plausible(subject []byte) string {
	if len(subject) == 0 || !utf8.Valid(subject) || bytes.ContainsFunc(subject, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return ""
	}
	return string(subject)
}

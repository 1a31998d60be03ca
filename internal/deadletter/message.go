package deadletter

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/event"
)

// The headers that carry a letter's metadata. Text is percent-encoded where it is not printable ASCII.
const (
	headerPrefix    = "Pelton-Dead-"
	headerNamespace = headerPrefix + "Namespace"
	headerFunction  = headerPrefix + "Function"
	headerReason    = headerPrefix + "Reason"
	headerError     = headerPrefix + "Error"
	headerAttempts  = headerPrefix + "Attempts"
	headerStream    = headerPrefix + "Stream"
	headerSequence  = headerPrefix + "Sequence"
	headerSubject   = headerPrefix + "Subject"
	headerStored    = headerPrefix + "Stored"
	headerDied      = headerPrefix + "Died"
	headerMoved     = headerPrefix + "Moved-Headers" // so many bytes at the start of the data are the original headers
)

// maxHeader is how large the original headers may be to travel as headers. The server refuses more than 64 KiB in all;
// larger ones are moved to the start of the data, so that a message the server once took can always become a dead letter.
const maxHeader = 48 << 10

// Message builds the message that stores l. Its Nats-Msg-Id comes from the original message, so that writing the same letter
// again, after a crash between the write and the acknowledgement, stores it once.
func Message(l Letter) (*nats.Msg, error) {
	subject, err := event.DeadSubject(l.Namespace, l.Function)
	if err != nil {
		return nil, fmt.Errorf("build dead letter of %s sequence %d: %w", l.Stream, l.Sequence, err)
	}
	msg := &nats.Msg{Subject: subject, Header: nats.Header{}, Data: l.Data}
	original := originalHeader(l.Header)
	if size := headerSize(original); size > maxHeader {
		block := headerBlock(original)
		msg.Data = append(block, l.Data...)
		msg.Header.Set(headerMoved, strconv.Itoa(len(block)))
	} else {
		for k, vs := range original {
			msg.Header[k] = slices.Clone(vs)
		}
	}
	setMetadata(msg.Header, l)
	return msg, nil
}

func setMetadata(h nats.Header, l Letter) {
	id := fmt.Sprintf("dead:%s.%s:%s:%d:%d", l.Namespace, l.Function, escape(l.Stream), l.Sequence, l.Stored.UnixNano())
	h.Set(nats.MsgIdHdr, id)
	h.Set(headerNamespace, l.Namespace)
	h.Set(headerFunction, l.Function)
	h.Set(headerReason, escape(l.Reason))
	h.Set(headerAttempts, strconv.Itoa(l.Attempts))
	h.Set(headerStream, escape(l.Stream))
	h.Set(headerSequence, strconv.FormatUint(l.Sequence, 10))
	h.Set(headerSubject, escape(l.Subject))
	h.Set(headerStored, l.Stored.UTC().Format(time.RFC3339Nano))
	if !l.Died.IsZero() {
		h.Set(headerDied, l.Died.UTC().Format(time.RFC3339Nano))
	}
	if l.Error != "" {
		h.Set(headerError, escape(cut(l.Error, MaxError)))
	}
}

// parse turns a stored message back into the letter. A message that something else wrote to the stream is still shown, with
// what can be read of it.
func parse(id uint64, subject string, stored time.Time, header map[string][]string, data []byte) Letter {
	h := nats.Header(header)
	l := Letter{
		ID: id, Namespace: h.Get(headerNamespace), Function: h.Get(headerFunction),
		Reason: unescape(h.Get(headerReason)), Error: unescape(h.Get(headerError)), Subject: unescape(h.Get(headerSubject)),
		Stream: unescape(h.Get(headerStream)), Header: originalHeader(header), Data: data,
	}
	if tokens := strings.Split(subject, "."); l.Function == "" && len(tokens) == 4 {
		l.Namespace, l.Function = tokens[2], tokens[3]
	}
	l.Attempts, _ = strconv.Atoi(h.Get(headerAttempts))
	l.Sequence, _ = strconv.ParseUint(h.Get(headerSequence), 10, 64)
	l.Stored, _ = time.Parse(time.RFC3339Nano, h.Get(headerStored))
	if died, err := time.Parse(time.RFC3339Nano, h.Get(headerDied)); err == nil {
		l.Died = died
	} else {
		l.Died = stored
	}
	if moved, err := strconv.Atoi(h.Get(headerMoved)); err == nil && moved > 0 && moved <= len(data) {
		if original, err := nats.DecodeHeadersMsg(data[:moved]); err == nil {
			l.Header, l.Data = original, data[moved:]
		}
	}
	return l
}

// originalHeader is h without what belongs to the server or to us.
func originalHeader(h map[string][]string) map[string][]string {
	out := make(map[string][]string, len(h))
	for k, vs := range h {
		if !hasPrefixFold(k, "Nats-") && !hasPrefixFold(k, headerPrefix) {
			out[k] = vs
		}
	}
	return out
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func headerSize(h map[string][]string) int {
	n := 0
	for k, vs := range h {
		for _, v := range vs {
			n += len(k) + len(v) + len(": \r\n")
		}
	}
	return n
}

// headerBlock writes h as NATS does on the wire, which nats.DecodeHeadersMsg reads.
func headerBlock(h map[string][]string) []byte {
	var b bytes.Buffer
	b.WriteString("NATS/1.0\r\n")
	for k, vs := range h {
		for _, v := range vs {
			b.WriteString(k + ": " + v + "\r\n")
		}
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

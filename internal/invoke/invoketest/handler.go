package invoketest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// The behaviours a handler process plays, selected by the type of the event.
const (
	typeDone       = "invoketest.done"
	typeMirror     = "invoketest.mirror" // reply with the received data
	typeSeen       = "invoketest.seen"   // reply with a JSON account of the call, a Seen
	typeRetry      = "invoketest.retry"
	typeRetryAfter = "invoketest.retry-after"
	typeReject     = "invoketest.reject"
	typeHang       = "invoketest.hang"
	typeCrash      = "invoketest.crash"
	typeCrashHalf  = "invoketest.crash-half" // crash after half of the answer
	typeGarbage    = "invoketest.garbage"
	typeSlow       = "invoketest.slow"    // the answer byte by byte
	typeHuge       = "invoketest.huge"    // an answer of a stated, large size
	typeEndless    = "invoketest.endless" // an answer without an end, as fast as it goes
	typeDrip       = "invoketest.drip"    // an answer without an end, a byte now and then
)

const (
	retryDelay = 7 * time.Second
	reasonText = "not today: ørken ☂"
	hugeAnswer = 256 << 20
	dripPause  = 20 * time.Millisecond
	arrivalEnv = "PELTON_INVOKETEST_ARRIVALS"
)

// Request is one call as the handler's side of a protocol received it.
type Request struct {
	Event        *event.Event
	Function     string
	Attempt      int
	Redeliveries int
	Deadline     time.Time
	Epoch        uint64
}

// Seen is the account of a call that a handler sends back.
type Seen struct {
	Event        event.Event // without its data
	DataSize     int
	DataSHA256   string
	Function     string
	Attempt      int
	Redeliveries int
	Deadline     time.Time
	Epoch        uint64
	PID          int
}

// Wire is the answering side of one call.
type Wire interface {
	// Write sends bytes towards the invoker at once.
	io.Writer

	// Encode returns the bytes of a whole answer. They may be empty where the answer is not bytes (an exit status).
	Encode(o invoke.Outcome) []byte

	// Garbage returns bytes that are no answer, after which the invoker needs no more to know it.
	Garbage() []byte

	// Flood returns the first bytes of a successful answer with a reply of size bytes of data, or of data without an
	// end when size is negative. Whatever is written next is the data.
	Flood(size int) []byte

	// Finish ends the call after its bytes were written. Where the answer is an exit status, it does not return.
	Finish(o invoke.Outcome)
}

// Play behaves as the type of the received event asks.
func Play(r *Request, w Wire) {
	arrive(r.Event.ID)
	switch r.Event.Type {
	case typeHang:
		select {}
	case typeCrash:
		crash()
	case typeCrashHalf:
		answer := w.Encode(mirror(r))
		_, _ = w.Write(answer[:len(answer)/2])
		crash()
	case typeGarbage:
		_, _ = w.Write(w.Garbage())
		w.Finish(invoke.Outcome{})
	case typeSlow:
		o := mirror(r)
		drip(w, w.Encode(o), time.Millisecond)
		w.Finish(o)
	case typeHuge:
		_, _ = w.Write(w.Flood(hugeAnswer))
		flood(w, hugeAnswer)
		w.Finish(invoke.Outcome{})
	case typeEndless:
		_, _ = w.Write(w.Flood(-1))
		flood(w, 1<<62)
	case typeDrip:
		_, _ = w.Write(w.Flood(-1))
		for drip(w, []byte("x"), dripPause) {
		}
	default:
		o := answer(r)
		_, _ = w.Write(w.Encode(o))
		w.Finish(o)
	}
}

// answer is the outcome of the well-behaved types.
func answer(r *Request) invoke.Outcome {
	switch r.Event.Type {
	case typeMirror:
		return mirror(r)
	case typeSeen:
		return invoke.Outcome{Reply: replyEvent("application/json", account(r))}
	case typeRetry:
		return invoke.Outcome{Kind: invoke.Retry, Reason: reasonText}
	case typeRetryAfter:
		return invoke.Outcome{Kind: invoke.Retry, Reason: reasonText, After: retryDelay}
	case typeReject:
		return invoke.Outcome{Kind: invoke.Reject, Reason: reasonText}
	default:
		return invoke.Outcome{}
	}
}

func mirror(r *Request) invoke.Outcome {
	return invoke.Outcome{Reply: replyEvent("application/octet-stream", r.Event.Data)}
}

// replyEvent is the event of every reply: attributes that are hard to carry, and the data.
func replyEvent(contentType string, data []byte) *event.Event {
	return &event.Event{
		ID: "svar-ø-☂-\"1\" 100%", Source: "/invoketest?a=b#c", Type: "invoketest.reply", Subject: "emne / ämne",
		Time: "2026-01-02T03:04:05.123456789+02:00", DataContentType: contentType, DataSchema: "urn:invoketest:1",
		Extensions: []event.Attribute{{Name: "traceparent", Value: traceparent}, {Name: "unicode", Value: "smörgås 🚀"}},
		Data:       data,
	}
}

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func account(r *Request) []byte {
	sum := sha256.Sum256(r.Event.Data)
	s := Seen{
		Event: *r.Event, DataSize: len(r.Event.Data), DataSHA256: hex.EncodeToString(sum[:]), Function: r.Function,
		Attempt: r.Attempt, Redeliveries: r.Redeliveries, Deadline: r.Deadline, Epoch: r.Epoch, PID: os.Getpid(),
	}
	s.Event.Data = nil
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return b
}

// arrive leaves a mark that the suite can wait for: the event with this id reached a handler.
func arrive(id string) {
	if dir := os.Getenv(arrivalEnv); dir != "" {
		_ = os.WriteFile(arrivalFile(dir, id), nil, 0o600)
	}
}

func arrivalFile(dir, id string) string {
	sum := sha256.Sum256([]byte(id))
	return filepath.Join(dir, hex.EncodeToString(sum[:]))
}

// crash dies as a process does that is killed by the kernel: without a word.
func crash() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// drip writes p byte by byte and reports whether all of it was taken.
func drip(w io.Writer, p []byte, pause time.Duration) bool {
	for i := range p {
		if _, err := w.Write(p[i : i+1]); err != nil {
			return false
		}
		<-time.After(pause)
	}
	return true
}

// flood writes n bytes, or as many as are taken.
func flood(w io.Writer, n int) {
	block := make([]byte, 64<<10)
	for i := range block {
		block[i] = 'x'
	}
	for n > 0 {
		k := min(n, len(block))
		if _, err := w.Write(block[:k]); err != nil {
			return
		}
		n -= k
	}
}

package ledger

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// wireRun is a run on the wire: one JSON object on a line of its own. Namespace and function are in the message's subject,
// times are Unix nanoseconds. The names are short because a busy sidecar writes tens of thousands of them a second, and for the
// same reason what is nearly always as in the line before is written only where it is not.
type wireRun struct {
	kept

	EventID  string        `json:"i"`
	Sequence uint64        `json:"q"`
	Reason   string        `json:"r"`
	Error    string        `json:"e"`
	Later    int64         `json:"l"` // Started, since the line before
	Wait     time.Duration `json:"w"`
	Cold     time.Duration `json:"c"`
	Duration time.Duration `json:"d"`
	Next     int64         `json:"n"`
	Rests    time.Duration `json:"x"`
}

// kept is what stays as in the line before if it is not written.
type kept struct {
	EventSource string `json:"s"`
	EventType   string `json:"t"`
	Stream      string `json:"st"`
	Attempt     int    `json:"a"`
	MaxAttempts int    `json:"m"`
	Outcome     string `json:"o"`
	Replica     string `json:"p"`
	Started     int64  `json:"b"`
}

// keptOf is what the line of a run is written against in the next.
func keptOf(r *Run) kept {
	return kept{
		EventSource: r.EventSource, EventType: r.EventType, Stream: r.Stream, Attempt: r.Attempt, MaxAttempts: r.MaxAttempts,
		Outcome: r.Outcome, Replica: r.Replica, Started: unixNano(r.Started),
	}
}

// appendRun appends r as one line, the first of a message or one that follows another. It is written by hand because
// encoding/json is several times slower.
func appendRun(b []byte, r *Run, before *kept) []byte {
	b = appendText(append(b, `{"i":`...), r.EventID)
	b = strconv.AppendUint(append(b, `,"q":`...), r.Sequence, 10)
	b = appendKept(b, r, before)
	b = appendReason(b, r)
	b = strconv.AppendInt(append(b, `,"w":`...), int64(r.Wait), 10)
	if r.Cold != 0 {
		b = strconv.AppendInt(append(b, `,"c":`...), int64(r.Cold), 10)
	}
	b = strconv.AppendInt(append(b, `,"d":`...), int64(r.Duration), 10)
	if !r.Next.IsZero() {
		b = strconv.AppendInt(append(b, `,"n":`...), unixNano(r.Next), 10)
	}
	if r.Rests != 0 {
		b = strconv.AppendInt(append(b, `,"x":`...), int64(r.Rests), 10)
	}
	return append(b, '}', '\n')
}

// appendKept appends what is not as before; all of it if there is no line before.
func appendKept(b []byte, r *Run, before *kept) []byte {
	first := before == nil
	if first {
		before = &kept{}
	}
	if first || r.EventSource != before.EventSource {
		b = appendText(append(b, `,"s":`...), r.EventSource)
	}
	if first || r.EventType != before.EventType {
		b = appendText(append(b, `,"t":`...), r.EventType)
	}
	if first || r.Stream != before.Stream {
		b = appendText(append(b, `,"st":`...), r.Stream)
	}
	if first || r.Attempt != before.Attempt {
		b = strconv.AppendInt(append(b, `,"a":`...), int64(r.Attempt), 10)
	}
	if first || r.MaxAttempts != before.MaxAttempts {
		b = strconv.AppendInt(append(b, `,"m":`...), int64(r.MaxAttempts), 10)
	}
	if first || r.Outcome != before.Outcome {
		b = appendText(append(b, `,"o":`...), r.Outcome)
	}
	if first || r.Replica != before.Replica {
		b = appendText(append(b, `,"p":`...), r.Replica)
	}
	if first {
		return strconv.AppendInt(append(b, `,"b":`...), unixNano(r.Started), 10)
	}
	return strconv.AppendInt(append(b, `,"l":`...), unixNano(r.Started)-before.Started, 10)
}

func appendReason(b []byte, r *Run) []byte {
	if r.Reason != "" {
		b = appendText(append(b, `,"r":`...), r.Reason)
	}
	if r.Error != "" {
		b = appendText(append(b, `,"e":`...), r.Error)
	}
	return b
}

// appendText appends s as a JSON string. Plain ASCII, the usual case, is copied.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always marshals; invalid UTF-8 is replaced
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// parseRuns calls deliver for every run in a message's data. It ends at a line that cannot be read, which a newer version may have
// written: what follows is written against that line, and read against another it would be wrong without a sign of it.
func parseRuns(namespace, function string, data []byte, deliver func(Run)) {
	var before kept
	for line := range bytes.Lines(data) {
		w := wireRun{kept: before}
		if json.Unmarshal(line, &w) != nil {
			return
		}
		w.Started += w.Later
		before = w.kept
		deliver(Run{
			Namespace: namespace, Function: function,
			EventID: w.EventID, EventSource: w.EventSource, EventType: w.EventType,
			Stream: w.Stream, Sequence: w.Sequence, Attempt: w.Attempt, MaxAttempts: w.MaxAttempts,
			Outcome: w.Outcome, Reason: w.Reason, Error: w.Error, Replica: w.Replica,
			Started: fromUnixNano(w.Started), Wait: w.Wait, Cold: w.Cold, Duration: w.Duration, Next: fromUnixNano(w.Next),
			Rests: w.Rests,
		})
	}
}

// unixNano is 0 for the zero time, which has no Unix nanoseconds.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromUnixNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

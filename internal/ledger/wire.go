package ledger

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// wireRun is a run on the wire: one JSON object on a line of its own. Namespace and function are in the message's subject,
// times are Unix nanoseconds. The names are short because a busy sidecar writes tens of thousands of them a second.
type wireRun struct {
	EventID     string        `json:"i"`
	EventSource string        `json:"s"`
	EventType   string        `json:"t"`
	Stream      string        `json:"st"`
	Sequence    uint64        `json:"q"`
	Attempt     int           `json:"a"`
	MaxAttempts int           `json:"m"`
	Outcome     string        `json:"o"`
	Reason      string        `json:"r"`
	Error       string        `json:"e"`
	Replica     string        `json:"p"`
	Started     int64         `json:"b"`
	Wait        time.Duration `json:"w"`
	Cold        time.Duration `json:"c"`
	Duration    time.Duration `json:"d"`
	Next        int64         `json:"n"`
	Rests       time.Duration `json:"x"`
}

// appendRun appends r as one line. It is written by hand because encoding/json is several times slower.
func appendRun(b []byte, r *Run) []byte {
	b = appendText(append(b, `{"i":`...), r.EventID)
	b = appendText(append(b, `,"s":`...), r.EventSource)
	b = appendText(append(b, `,"t":`...), r.EventType)
	b = appendText(append(b, `,"st":`...), r.Stream)
	b = strconv.AppendUint(append(b, `,"q":`...), r.Sequence, 10)
	b = strconv.AppendInt(append(b, `,"a":`...), int64(r.Attempt), 10)
	b = strconv.AppendInt(append(b, `,"m":`...), int64(r.MaxAttempts), 10)
	b = appendText(append(b, `,"o":`...), r.Outcome)
	if r.Reason != "" {
		b = appendText(append(b, `,"r":`...), r.Reason)
	}
	if r.Error != "" {
		b = appendText(append(b, `,"e":`...), r.Error)
	}
	b = appendText(append(b, `,"p":`...), r.Replica)
	b = strconv.AppendInt(append(b, `,"b":`...), unixNano(r.Started), 10)
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

// parseRuns calls deliver for every run in a message's data. A line that is not a run is passed over: a newer version may
// write something else.
func parseRuns(namespace, function string, data []byte, deliver func(Run)) {
	for line := range bytes.Lines(data) {
		var w wireRun
		if json.Unmarshal(line, &w) != nil {
			continue
		}
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

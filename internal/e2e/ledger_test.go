package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// The kinds of records.
const (
	recordStart = "start" // a handler process has begun
	recordBegin = "begin" // a call has come
	recordEnd   = "end"   // a call is about to be answered with success
)

// record is one line of a ledger.
type record struct {
	Kind    string
	PID     int
	Version string `json:",omitempty"` // of the handler's file
	Attempt int    `json:",omitempty"`

	ID          string `json:",omitempty"`
	Source      string `json:",omitempty"`
	Type        string `json:",omitempty"`
	Subject     string `json:",omitempty"`
	ContentType string `json:",omitempty"`
	Data        string `json:",omitempty"` // the first bytes
	Size        int    `json:",omitempty"`
}

// write adds a record to the file in one write, so that a kill leaves all of it or nothing.
func (r record) write(path string) {
	r.PID = os.Getpid()
	r.Version = os.Getenv(versionEnv)
	line, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		panic(err)
	}
	_ = f.Close()
}

// ledger is what the handlers of one function wrote.
type ledger []record

// ledger reads the ledger of a function as it is now.
func (m *machine) ledger(function string) ledger {
	data, err := os.ReadFile(m.ledgerPath(function))
	if err != nil && !os.IsNotExist(err) {
		m.t.Fatal(err)
	}
	var l ledger
	for line := range bytes.Lines(data) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			continue // being written
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			m.t.Fatalf("ledger of %s: %v in %q", function, err, line)
		}
		l = append(l, r)
	}
	return l
}

func (m *machine) ledgerPath(function string) string {
	return filepath.Join(m.ledgers, function+".jsonl")
}

// of returns the records of a kind.
func (l ledger) of(kind string) ledger {
	var out ledger
	for _, r := range l {
		if r.Kind == kind {
			out = append(out, r)
		}
	}
	return out
}

// with returns the records of an event.
func (l ledger) with(id string) ledger {
	var out ledger
	for _, r := range l {
		if r.ID == id {
			out = append(out, r)
		}
	}
	return out
}

// ids counts the records of each event.
func (l ledger) ids() map[string]int {
	n := map[string]int{}
	for _, r := range l {
		n[r.ID]++
	}
	return n
}

// pids counts the records of each process.
func (l ledger) pids() map[int]int {
	n := map[int]int{}
	for _, r := range l {
		n[r.PID]++
	}
	return n
}

// tally compares what was accepted with what was handled: which events were never handled, and how many times one was
// handled once more than needed.
func tally(accepted []string, handled map[string]int) (lost []string, duplicates int) {
	for _, id := range accepted {
		if handled[id] == 0 {
			lost = append(lost, id)
		}
		duplicates += max(0, handled[id]-1)
	}
	return lost, duplicates
}

func TestTally(t *testing.T) {
	t.Parallel()
	lost, duplicates := tally([]string{"a", "b", "c"}, map[string]int{"a": 1, "c": 3})
	if len(lost) != 1 || lost[0] != "b" || duplicates != 2 {
		t.Errorf("lost %v, %d duplicates; want [b], 2", lost, duplicates)
	}
}

func number(prefix string, n int) string { return prefix + "-" + strconv.Itoa(n) }

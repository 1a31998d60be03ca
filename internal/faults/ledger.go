package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// What a record says.
type recordKind string

const (
	recordSent     recordKind = "sent"     // publisher: about to publish, attempt by attempt
	recordAcked    recordKind = "acked"    // publisher: the stream has it, or the bridge has said so
	recordUnsent   recordKind = "unsent"   // publisher: this try failed before anything left
	recordBegun    recordKind = "begun"    // handler: a call has come
	recordDone     recordKind = "done"     // handler: about to answer with success
	recordFailed   recordKind = "failed"   // handler: about to answer that it failed
	recordRejected recordKind = "rejected" // handler: about to answer that it will never work
	recordCut      recordKind = "cut"      // handler: nobody waits for the answer any more
)

// key names an event: ids are unique within their source only.
type key struct{ Source, ID string }

func (k key) String() string { return k.Source + "#" + k.ID }

// record is one line of a ledger.
type record struct {
	Kind     recordKind `json:"kind"`
	ID       string     `json:"id"`
	Source   string     `json:"source"`
	Key      string     `json:"key,omitempty"` // what order is asked for by
	Sequence int        `json:"seq"`           // in the order of publishing
	Sum      string     `json:"sum"`           // of the data
	At       time.Time  `json:"at"`
	Attempt  int        `json:"attempt"`
	Again    int        `json:"redeliveries,omitempty"`
	Do       Kind       `json:"do,omitempty"` // publisher: what its handler is to do
	Process  int        `json:"pid"`
	HTTP     bool       `json:"http,omitempty"`    // publisher: it goes to the bridge
	Replica  string     `json:"replica,omitempty"` // handler: which
}

func (r *record) key() key { return key{r.Source, r.ID} }

// ledger is a file that one process appends to. Each record is one write, so that a kill leaves all of it or, at the end of
// the file, a part.
type ledger struct{ file *os.File }

// openLedger makes the ledger of this process in a folder: a file that a killed process wrote is never continued.
func openLedger(dir, name string) (*ledger, error) {
	path := filepath.Join(dir, fmt.Sprintf("%s.%d.%d.jsonl", name, os.Getpid(), time.Now().UnixNano()))
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	return &ledger{f}, nil
}

// write appends a record. Who cannot write must not go on: what it does then would be seen by nobody.
func (l *ledger) write(r record) error {
	r.At, r.Process = time.Now(), os.Getpid()
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}

var errTorn = errors.New("a line in the middle cannot be read")

// readLedgers reads all ledgers of a name, process after process.
func readLedgers(dir, name string) ([]record, error) {
	paths, err := filepath.Glob(filepath.Join(dir, name+".*.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("list ledgers: %w", err)
	}
	var all []record
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		records, err := parseLedger(data)
		if err != nil {
			return nil, fmt.Errorf("read ledger %s: %w", path, err)
		}
		all = append(all, records...)
	}
	return all, nil
}

// parseLedger reads the lines of one ledger. A last line that has no end is one that was being written at a kill: it is left
// out, as what it would have said had not been recorded yet.
func parseLedger(data []byte) ([]record, error) {
	var records []record
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("line %d: %w: %w", number, errTorn, err)
		}
		records = append(records, r)
	}
	return records, nil
}

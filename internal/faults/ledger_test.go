package faults

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLedger(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, id := range []string{"a", "b"} { // two processes, as far as a ledger knows
		l, err := openLedger(dir, "x")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := l.write(record{Kind: recordSent, ID: id}); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.file.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.write(record{}); err == nil {
			t.Error("a record that was not written is no error")
		}
	}
	records, err := readLedgers(dir, "x")
	if err != nil || len(records) != 4 || records[0].ID == records[3].ID || records[0].Process != os.Getpid() {
		t.Errorf("%+v, %v", records, err)
	}
	if records, err := readLedgers(dir, "y"); err != nil || len(records) != 0 {
		t.Errorf("a ledger that is not there: %v, %v", records, err)
	}
}

func TestTornLedger(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole := `{"kind":"sent","id":"1"}` + "\n"
	for cut := range len(whole) {
		records, err := parseLedger([]byte(whole + whole[:cut]))
		if err != nil || len(records) != 1 {
			t.Fatalf("cut at %d: %v, %v; want the first record", cut, records, err)
		}
	}
	path := filepath.Join(dir, "x.1.jsonl")
	if err := os.WriteFile(path, []byte(whole+whole[:5]+"\n"+whole), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := readLedgers(dir, "x")
	if !errors.Is(err, errTorn) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v; want that line 2 of %s is torn", err, path)
	}
}

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// TestDamageIsToldLoudly flips a bit in the second of three messages.
func TestDamageIsToldLoudly(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	dir := filepath.Join(state, "nats")
	for range 3 {
		store(t, dir)
	}
	path := filepath.Join(dir, "jetstream", "$G", "streams", "ONE", "msgs", "1.blk")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.ErrorLevel)
	u := &upRun{app: testApp(), opts: upOptions{stateDir: state}, log: zap.New(core)}
	u.checkStore(dir)
	rows := u.damageRows()
	if len(rows) != 2 || !strings.Contains(rows[0][1], "stream ONE, 1.blk: damaged in one place; 1 message lost: 2 on one") {
		t.Errorf("the screen says %q", rows)
	}
	if logs.Len() != 1 {
		t.Errorf("the log says %+v", logs.All())
	}
	noted, err := os.ReadFile(filepath.Join(state, damagedFolder, damageReport))
	if err != nil || strings.Count(string(noted), "\n") != 1 || !strings.Contains(string(noted), `"lost":[2]`) {
		t.Errorf("noted %q, %v", noted, err)
	}
	if kept, err := os.ReadFile(filepath.Join(state, damagedFolder, "ONE", "1.blk")); err != nil || string(kept) != string(data) {
		t.Errorf("the damaged file is not kept: %v", err)
	}
	store(t, dir) // it opens, and takes another
	u.checkStore(dir)
	if len(u.damages) != 0 {
		t.Errorf("found again: %+v", u.damages)
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for want, numbers := range map[string][]uint64{
		"": nil, "7": {7}, "3-5, 9": {3, 4, 5, 9}, "1, 3, 5, 7, 9, 11, 13, 15, ...": {1, 3, 5, 7, 9, 11, 13, 15, 17, 19},
	} {
		if got := spans(numbers); got != want {
			t.Errorf("%v: %q, want %q", numbers, got, want)
		}
	}
}

// TestStreamThatCannotBeOpenedIsNoFullStore keeps the server from being started again and again for what no restart mends.
func TestStreamThatCannotBeOpenedIsNoFullStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store(t, dir)
	path := filepath.Join(dir, "jetstream", "$G", "streams", "ONE", "meta.inf")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := startNATS(0, dir, 1<<30, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer n.stop()
	if says := n.refusal(t.Context()); says != "" {
		t.Errorf("it says that the store refuses: %s", says)
	}
}

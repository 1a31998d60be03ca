package process

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Marker is the environment variable that marks every process of one run. Its value is random.
const Marker = "PELTON_RUN_ID"

// runIDBytes make a run id that no other process carries by chance or habit.
const runIDBytes = 16

// NewRunID returns a new random run id.
func NewRunID() string {
	var b [runIDBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// validRunID refuses anything that NewRunID did not make: a short or empty id could match processes that are not ours.
func validRunID(id string) error {
	if b, err := hex.DecodeString(id); err != nil || len(b) != runIDBytes {
		return fmt.Errorf("run id %q: want %d hexadecimal digits", id, 2*runIDBytes)
	}
	return nil
}

// mark returns env with our marker as its only one.
func (g *Guard) mark(env []string) []string {
	if g == nil {
		return env
	}
	out := make([]string, 0, len(env)+1)
	for _, kv := range env {
		if !strings.HasPrefix(kv, Marker+"=") {
			out = append(out, kv)
		}
	}
	return append(out, Marker+"="+g.cfg.RunID)
}

// stalePatience bounds KillStale.
const stalePatience = 10 * time.Second

// KillStale kills every process whose environment carries the marker of runID and each of the further variables (KEY=VALUE),
// until none is left, and returns how many it killed. It is for what an earlier run left behind, or one replica of this run.
// It never touches a process that does not carry exactly that marker. Where there is no /proc it does nothing.
func KillStale(runID string, vars ...string) (int, error) {
	if err := validRunID(runID); err != nil {
		return 0, fmt.Errorf("kill stale processes: %w", err)
	}
	n, err := sweep(runID, vars, stalePatience)
	if err != nil {
		return n, fmt.Errorf("kill stale processes: %w", err)
	}
	return n, nil
}

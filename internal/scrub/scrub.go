package scrub

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Damage is what is wrong with one file.
type Damage struct {
	Stream   string   `json:"stream"`
	File     string   `json:"file"`
	What     string   `json:"what"`
	Lost     []uint64 `json:"lost,omitempty"`     // sequences of messages that are lost
	Subjects []string `json:"subjects,omitempty"` // as far as they can be read
	Mended   bool     `json:"mended"`             // the server reads the rest; the original is kept aside
}

// Report is what was found in a store.
type Report struct {
	Bytes   int64         `json:"bytes"` // that were read
	Took    time.Duration `json:"tookNs"`
	Damages []Damage      `json:"damages"`
	Unread  []string      `json:"unread,omitempty"` // files that are encrypted or compressed
}

// Lost counts the messages that are lost.
func (r *Report) Lost() (n int) {
	for _, d := range r.Damages {
		n += len(d.Lost)
	}
	return n
}

// Run reads the store of a server that does not run, and mends it. Damaged files are copied to the folder aside before they are
// changed. A store that is not there yet is well.
func Run(store, aside string) (*Report, error) {
	begun := time.Now()
	r := &Report{}
	streams, err := filepath.Glob(filepath.Join(store, "jetstream", "*", "streams", "*"))
	if err != nil {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	for _, dir := range streams {
		if _, err := os.Stat(filepath.Join(dir, "msgs")); errors.Is(err, os.ErrNotExist) {
			continue // of a stream in memory
		}
		s, err := scanStream(dir, r)
		if err == nil {
			err = s.judge(aside)
		}
		if err != nil {
			return nil, fmt.Errorf("check stream %s: %w", filepath.Base(dir), err)
		}
	}
	r.Took = time.Since(begun)
	return r, nil
}

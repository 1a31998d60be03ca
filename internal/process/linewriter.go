package process

import (
	"bytes"
	"fmt"
	"sync"

	"golang.org/x/time/rate"
)

// The bounds of a LineWriter: what a person can read, not what a flooding handler can write.
const (
	DefaultMaxLine   = 4 << 10
	DefaultLineRate  = 200 // lines per second, sustained
	DefaultLineBurst = 1000
)

// LineConfig bounds a LineWriter. Zero values are the defaults.
type LineConfig struct {
	MaxLine int // bytes; the rest of a longer line is dropped
	Rate    int // lines per second
	Burst   int
}

// LineWriter is an io.Writer that calls a function for each line, and contains a flood: lines are cut, and lines beyond the
// rate are counted and dropped; the next line that passes is preceded by one that says how many. It never blocks longer than
// the function does. Close flushes what is left.
type LineWriter struct {
	mu      sync.Mutex
	fn      func(line string)
	limit   *rate.Limiter
	maxLine int
	partial []byte
	cut     bool   // the current line is longer than maxLine
	missed  uint64 // dropped since the last line that passed
	total   uint64
}

// NewLineWriter calls fn for each line, one call at a time.
func NewLineWriter(cfg LineConfig, fn func(line string)) *LineWriter {
	if cfg.MaxLine <= 0 {
		cfg.MaxLine = DefaultMaxLine
	}
	if cfg.Rate <= 0 {
		cfg.Rate = DefaultLineRate
	}
	if cfg.Burst <= 0 {
		cfg.Burst = DefaultLineBurst
	}
	return &LineWriter{fn: fn, limit: rate.NewLimiter(rate.Limit(cfg.Rate), cfg.Burst), maxLine: cfg.MaxLine}
}

// Write never fails.
func (w *LineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for rest := p; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			w.extend(rest)
			break
		}
		w.extend(rest[:i])
		w.emit()
		rest = rest[i+1:]
	}
	return len(p), nil
}

// extend appends to the current line as far as it may grow.
func (w *LineWriter) extend(b []byte) {
	room := max(0, w.maxLine-len(w.partial))
	if len(b) > room {
		b, w.cut = b[:room], true
	}
	w.partial = append(w.partial, b...)
}

// emit ends the current line.
func (w *LineWriter) emit() {
	if !w.limit.Allow() {
		w.missed++
		w.total++
	} else {
		w.reportMissed()
		line := string(bytes.TrimSuffix(w.partial, []byte("\r")))
		if w.cut {
			line += " ..."
		}
		w.fn(line)
	}
	w.partial, w.cut = w.partial[:0], false
}

// reportMissed says how many lines are missing before the next one.
func (w *LineWriter) reportMissed() {
	if w.missed > 0 {
		w.fn(fmt.Sprintf("(%d lines dropped: too many at once)", w.missed))
		w.missed = 0
	}
}

// Dropped returns how many lines were dropped.
func (w *LineWriter) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total
}

// Close hands out the unfinished line and the last count of dropped lines. The writer stays usable.
func (w *LineWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.partial) > 0 {
		w.emit()
	}
	w.reportMissed()
	return nil
}

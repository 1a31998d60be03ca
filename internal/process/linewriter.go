package process

import (
	"cmp"
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
	mu     sync.Mutex
	fn     func(line string)
	limit  *rate.Limiter
	buffer lineBuffer
	missed uint64 // dropped since the last line that passed
	total  uint64
}

// NewLineWriter calls fn for each line, one call at a time.
func NewLineWriter(cfg LineConfig, fn func(line string)) *LineWriter {
	cfg.MaxLine = cmp.Or(cfg.MaxLine, DefaultMaxLine)
	cfg.Rate = cmp.Or(cfg.Rate, DefaultLineRate)
	cfg.Burst = cmp.Or(cfg.Burst, DefaultLineBurst)
	return &LineWriter{fn: fn, limit: rate.NewLimiter(rate.Limit(cfg.Rate), cfg.Burst), buffer: lineBuffer{max: cfg.MaxLine}}
}

// Write never fails.
func (w *LineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buffer.write(p, w.emit)
	return len(p), nil
}

// emit hands the current line on, if the rate allows it.
func (w *LineWriter) emit() {
	if !w.limit.Allow() {
		w.missed++
		w.total++
		return
	}
	w.reportMissed()
	line := w.buffer.line()
	if w.buffer.cut {
		line += " ..."
	}
	w.fn(line)
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
	if len(w.buffer.text) > 0 {
		w.buffer.write([]byte{'\n'}, w.emit)
	}
	w.reportMissed()
	return nil
}

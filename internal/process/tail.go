package process

import (
	"bytes"
	"sync"
)

// Tail is an io.Writer that keeps the last lines written to it. It is safe for concurrent use.
type Tail struct {
	mu      sync.Mutex
	lines   []string // a ring; next is the oldest once it is full
	next    int
	max     int
	maxLine int
	partial []byte // the line being written, cut at maxLine
}

// NewTail keeps the last lines, each cut at maxLine bytes.
func NewTail(lines, maxLine int) *Tail { return &Tail{max: lines, maxLine: maxLine} }

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := p; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			t.extend(rest)
			break
		}
		t.extend(rest[:i])
		t.keep(string(bytes.TrimSuffix(t.partial, []byte("\r"))))
		t.partial = t.partial[:0]
		rest = rest[i+1:]
	}
	return len(p), nil
}

// extend appends to the current line as far as it may grow.
func (t *Tail) extend(b []byte) {
	room := t.maxLine - len(t.partial)
	t.partial = append(t.partial, b[:max(0, min(room, len(b)))]...)
}

// keep adds a line and forgets the oldest.
func (t *Tail) keep(line string) {
	if len(t.lines) < t.max {
		t.lines = append(t.lines, line)
		return
	}
	t.lines[t.next] = line
	t.next = (t.next + 1) % t.max
}

// Lines returns the kept lines, oldest first, the unfinished one last.
func (t *Tail) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]string, 0, len(t.lines)+1)
	out = append(out, t.lines[t.next:]...)
	out = append(out, t.lines[:t.next]...)
	if len(t.partial) > 0 {
		out = append(out, string(t.partial))
	}
	return out[max(0, len(out)-t.max):]
}

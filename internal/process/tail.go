package process

import "sync"

// Tail is an io.Writer that keeps the last lines written to it. It is safe for concurrent use.
type Tail struct {
	mu     sync.Mutex
	lines  []string // a ring; next is the oldest once it is full
	next   int
	max    int
	buffer lineBuffer
}

// NewTail keeps the last lines, each cut at maxLine bytes.
func NewTail(lines, maxLine int) *Tail { return &Tail{max: lines, buffer: lineBuffer{max: maxLine}} }

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buffer.write(p, t.keep)
	return len(p), nil
}

// keep adds the current line and forgets the oldest.
func (t *Tail) keep() {
	line := t.buffer.line()
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
	if len(t.buffer.text) > 0 {
		out = append(out, string(t.buffer.text))
	}
	return out[max(0, len(out)-t.max):]
}

package process

import "bytes"

// lineBuffer gathers what is written into lines, and keeps no more than max bytes of one.
type lineBuffer struct {
	max  int
	text []byte // the current line
	cut  bool   // it is longer than max
}

// write takes p apart and calls end at the end of each line; then the next line begins.
func (b *lineBuffer) write(p []byte, end func()) {
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			b.extend(p)
			return
		}
		b.extend(p[:i])
		end()
		b.text, b.cut = b.text[:0], false
		p = p[i+1:]
	}
}

// extend appends to the current line as far as it may grow.
func (b *lineBuffer) extend(p []byte) {
	room := max(0, b.max-len(b.text))
	if len(p) > room {
		p, b.cut = p[:room], true
	}
	b.text = append(b.text, p...)
}

// line returns the current line without a carriage return.
func (b *lineBuffer) line() string { return string(bytes.TrimSuffix(b.text, []byte("\r"))) }

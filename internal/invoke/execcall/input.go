package execcall

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/pelton-dev/pelton/internal/invoke"
)

// input is what a program has on its standard input.
type input struct {
	from   io.Reader
	broken chan struct{} // closed when a body could not be read to its end, and err says why; nil without a body
	err    error         // written before broken is closed
	end    func()        // ends the reading of a body; called once the program is killed or over
}

// newInput is for data that is in memory.
func newInput(data []byte) *input { return &input{from: bytes.NewReader(data), end: func() {}} }

// inputOf is the data of a call's event. stop must be called when the program is over.
func inputOf(ctx context.Context, call *invoke.Call) (in *input, stop func()) {
	if call.Body == nil {
		in = newInput(call.Event.Data)
		return in, in.end
	}
	// It does not end with the call: a program that is cut must be dead before its input ends.
	reading, end := context.WithCancel(context.WithoutCancel(ctx))
	in = &input{broken: make(chan struct{}), end: end}
	in.from = &feed{body: call.Body.Open(reading), ended: reading.Done(), in: in}
	return in, end
}

// feed is a body as standard input. A program cannot tell an input that breaks off from one that ends. So when the body cannot be read
// on the input does not end before the program is killed.
type feed struct {
	body  io.Reader
	ended <-chan struct{}
	in    *input
}

// Read reads on, or waits for the end of the program.
func (f *feed) Read(p []byte) (int, error) {
	n, err := f.body.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	select {
	case <-f.ended: // nobody reads any more
	default:
		f.in.err = err
		close(f.in.broken)
		<-f.ended
	}
	return 0, err
}

package execcall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pelton-dev/pelton/internal/invoke"
)

// input is what a program has on its standard input.
type input struct {
	from io.Reader
	feed *feed // nil for data that is in memory
}

// newInput is for data that is in memory.
func newInput(data []byte) *input { return &input{from: bytes.NewReader(data)} }

// inputOf is the data of a call's event. It must be ended when the program is over.
func inputOf(ctx context.Context, call *invoke.Call) (*input, error) {
	if call.Body == nil {
		return newInput(call.Event.Data), nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe for standard input: %w", err)
	}
	f := &feed{r: r, w: w, broken: make(chan struct{}), done: make(chan struct{})}
	// It does not end with the call: a program that is cut must be dead before its input ends.
	reading, end := context.WithCancel(context.WithoutCancel(ctx))
	f.stop, f.stopped = end, reading.Done()
	go f.run(call.Body.Open(reading))
	return &input{from: r, feed: f}, nil
}

// started lets go of the program's end of the pipe: the program has it, or there is none.
func (i *input) started() {
	if i.feed != nil {
		_ = i.feed.r.Close()
	}
}

// broken is closed when a body cannot be read to its end.
func (i *input) broken() <-chan struct{} {
	if i.feed == nil {
		return nil
	}
	return i.feed.broken
}

// end ends the input of a program that is killed or over.
func (i *input) end() {
	if i.feed != nil {
		i.feed.end()
	}
}

// feed is a body on its way to a program. A program cannot tell an input that breaks off from one that ends. So when the body cannot
// be read on the input does not end before the program is killed.
//
// The pipe is ours because os/exec would wait for the end of a body that nobody reads any more.
type feed struct {
	r, w    *os.File
	stop    func() // ends the reading
	stopped <-chan struct{}
	broken  chan struct{} // closed by run once err is written
	err     error         // why the body could not be read
	done    chan struct{} // closed when run has ended
}

func (f *feed) run(body io.Reader) {
	defer close(f.done)
	defer f.w.Close()
	noted := &notedReader{r: body}
	if _, err := io.Copy(f.w, noted); err == nil || noted.err == nil {
		return // that was all, or the program wants no more
	}
	f.err = noted.err
	close(f.broken)
	<-f.stopped
}

// end is called more than once. A process that has left the program's group may hold the pipe: nobody waits for it.
func (f *feed) end() {
	f.stop()
	_, _ = f.w.Close(), f.r.Close()
	<-f.done
}

// notedReader remembers what went wrong with reading.
type notedReader struct {
	r   io.Reader
	err error
}

// Read reads, and notes an error that is not the end.
func (n *notedReader) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return k, err
}

package execcall

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// output is the standard output of one program: a pipe of our own, because only so can we know that all of it was read.
// When the program and its group are dead, whatever they wrote lies in the pipe; a process that left the group may hold
// the pipe open, but nobody waits for it.
type output struct {
	r, w *os.File
	max  int
	full chan struct{} // closed by the reading goroutine when the limit is passed
	done chan struct{} // closed when the reading goroutine has ended; then kept and over can be read
	kept []byte
	over bool
}

func newOutput(max int) (*output, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe for standard output: %w", err)
	}
	return &output{r: r, w: w, max: max, full: make(chan struct{}), done: make(chan struct{})}, nil
}

// abandon releases the pipe of a program that did not start.
func (o *output) abandon() { _, _ = o.w.Close(), o.r.Close() }

// follow starts to read. The program holds the writing end by now.
func (o *output) follow() {
	_ = o.w.Close()
	go func() {
		defer close(o.done)
		buf := make([]byte, 4<<10)
		for {
			n, err := o.r.Read(buf)
			if !o.keep(buf[:n]) {
				close(o.full)
				return
			}
			if err != nil {
				return
			}
		}
	}()
}

func (o *output) keep(p []byte) bool {
	o.over = o.over || len(o.kept)+len(p) > o.max
	if !o.over {
		o.kept = append(o.kept, p...)
	}
	return !o.over
}

// finish reads what is left after the program's end and releases the pipe.
func (o *output) finish() error {
	defer o.r.Close()
	if err := o.r.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return fmt.Errorf("stop reading standard output: %w", err)
	}
	<-o.done
	if err := o.drain(); err != nil {
		return fmt.Errorf("read standard output: %w", err)
	}
	return nil
}

// drain reads until the pipe is empty, without waiting for more.
func (o *output) drain() error {
	if err := o.r.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	raw, err := o.r.SyscallConn()
	if err != nil {
		return err
	}
	buf := make([]byte, 4<<10)
	for !o.over {
		n, err := readNow(raw, buf)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN), errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		o.keep(buf[:n])
	}
	return nil
}

// readNow reads what is there. An empty pipe is EAGAIN, a finished one io.EOF.
func readNow(raw syscall.RawConn, buf []byte) (n int, err error) {
	rawErr := raw.Read(func(fd uintptr) bool {
		n, err = syscall.Read(int(fd), buf)
		return true
	})
	switch {
	case rawErr != nil:
		return 0, rawErr
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

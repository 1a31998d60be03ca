package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// upOutput is stdout of `pelton up`. When nobody reads it any more, run ends, and with it everything else in good order:
// without it, the first write into a closed pipe would kill the process.
type upOutput struct {
	w    io.Writer
	once sync.Once
	gone chan struct{} // closed when the pipe was found closed
}

// newUpOutput also keeps closed pipes from killing the process, until stop is called. Ignoring the signal would do so too,
// but handlers would inherit that.
func newUpOutput(w io.Writer) (out *upOutput, stop func()) {
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, syscall.SIGPIPE)
	out = &upOutput{w: w, gone: make(chan struct{})}
	if file, ok := w.(*os.File); ok {
		go out.poll(int32(file.Fd()))
	}
	return out, func() { signal.Stop(ignored) }
}

// poll waits for the reader's end to be closed, which a write would notice only when there is something to write. It cannot
// be interrupted and ends with the process.
func (o *upOutput) poll(fd int32) {
	for {
		fds := []unix.PollFd{{Fd: fd}} // an error is reported without being asked for
		_, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err == nil && fds[0].Revents&unix.POLLERR != 0:
			o.close()
			return
		default:
			return
		}
	}
}

func (o *upOutput) close() { o.once.Do(func() { close(o.gone) }) }

// Write passes p on.
func (o *upOutput) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		o.close()
	}
	return n, err
}

// run waits for ctx, or for the end of the one who reads.
func (o *upOutput) run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-o.gone:
		return &Error{Exit: ExitFailed, Message: "stopped: nobody reads stdout any more"}
	}
}

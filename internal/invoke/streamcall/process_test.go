package streamcall

import (
	"context"
	"net"
	"os"
	"time"

	cloudevent "github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
	"github.com/pelton-dev/pelton/internal/invoke/invoketest"
	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
)

// echoCalls is a handler process that answers every call at once with Done, from one goroutine.
func echoCalls() error {
	invoketest.ExitWithParent()
	conn, r, _, err := dialHandler(os.Getenv(socketEnv))
	if err != nil {
		return err
	}
	w := streamwire.NewWriter(conn, time.Minute)
	var f streamwire.Frame
	for {
		body, err := r.Next()
		if err != nil {
			return nil // the test is over
		}
		if err := f.Decode(body); err != nil {
			return err
		}
		if f.Kind != streamwire.KindCall {
			continue
		}
		result := streamwire.Result{ID: f.Call.ID, Outcome: streamwire.OutcomeDone}
		p, err := w.AppendUrgent(func(b []byte) []byte { return streamwire.AppendResult(b, &result) })
		if err != nil {
			return err
		}
		if p.Flush {
			w.Flush(false)
		}
	}
}

// bareLoop is the floor to compare with: it answers what it reads, 8 bytes for each frame of a fixed size.
func bareLoop() error {
	invoketest.ExitWithParent()
	conn, err := net.Dial("unix", os.Getenv(socketEnv))
	if err != nil {
		return err
	}
	in, out := make([]byte, 64<<10), make([]byte, 0, 64<<10)
	n := 0
	for {
		k, err := conn.Read(in[n:])
		if err != nil {
			return nil
		}
		n += k
		for ; n >= bareFrame; n -= bareFrame {
			out = append(out, in[:8]...)
			copy(in, in[bareFrame:n])
		}
		if _, err := conn.Write(out); err != nil {
			return nil
		}
		out = out[:0]
	}
}

const bareFrame = 400 // about the size of a Call with 256 bytes of data

// serveSDK is a handler process as users write them.
func serveSDK() error {
	invoketest.ExitWithParent()
	return functions.Serve(func(context.Context, cloudevent.Event) (*cloudevent.Event, error) { return nil, nil })
}

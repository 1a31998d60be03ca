package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
)

// Timed data begins with the time at which its event was to be published, in Unix nanoseconds of one fixed width.
const (
	timedPrefix = `{"at":"`
	timedDigits = 19
	timedSize   = 256
)

func timedData(at time.Time) []byte {
	b := fmt.Appendf(make([]byte, 0, timedSize), timedPrefix+`%0*d","padding":"`, timedDigits, at.UnixNano())
	return append(append(b, strings.Repeat("x", timedSize-2-len(b))...), `"}`...)
}

// noter is what a handler notes about its calls: how long after their events' time they came.
type noter struct {
	mu    sync.Mutex
	waits *hdrhistogram.Histogram // in ns
}

func newNoter() *noter {
	return &noter{waits: hdrhistogram.New(1, int64(time.Minute), 3)}
}

// note takes a call that came at now. Events of the warm-up bear no time.
func (n *noter) note(now time.Time, data []byte) error {
	if !bytes.HasPrefix(data, []byte(timedPrefix)) || len(data) < len(timedPrefix)+timedDigits {
		return fmt.Errorf("data bears no time: %.40q", data)
	}
	at, err := strconv.ParseInt(string(data[len(timedPrefix):][:timedDigits]), 10, 64)
	if err != nil || at == 0 {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.waits.RecordValue(now.UnixNano() - at)
}

// answer prints the quantiles for every line on stdin, and begins anew.
func (n *noter) answer() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		n.mu.Lock()
		fmt.Println(float64(n.waits.ValueAtQuantile(50))/1e3, float64(n.waits.ValueAtQuantile(99))/1e3)
		n.waits.Reset()
		n.mu.Unlock()
	}
}

// noteHTTP is an instant handler over HTTP that notes its calls.
func noteHTTP() error {
	n := newNoter()
	go n.answer()
	return serveHTTP(func(w http.ResponseWriter, req *http.Request) {
		now := time.Now()
		data, err := io.ReadAll(req.Body)
		if err == nil {
			err = n.note(now, data)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
}

// noteSDK is the same on the SDK.
func noteSDK() error {
	n := newNoter()
	go n.answer()
	return functions.Serve(func(_ context.Context, e event.Event) (*event.Event, error) {
		return nil, n.note(time.Now(), e.Data())
	})
}

// noteFrames is the same for bare frames.
func noteFrames() error {
	n := newNoter()
	go n.answer()
	l, err := net.Listen("unix", os.Getenv("PELTON_SOCKET"))
	if err != nil {
		return err
	}
	errs := make(chan error, 2)
	go func() {
		for { // whoever only looks whether somebody listens is a connection too
			conn, err := l.Accept()
			if err == nil {
				err = n.serveFrames(conn)
			}
			if err != nil {
				errs <- err
				return
			}
		}
	}()
	go func() {
		stopped()
		errs <- nil
	}()
	return <-errs
}

// serveFrames answers every frame; the event's data is at its end.
func (n *noter) serveFrames(conn net.Conn) error {
	r, w := bufio.NewReaderSize(conn, 64<<10), bufio.NewWriterSize(conn, 64<<10)
	var head [frameHeader]byte
	var body []byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil // the loop has gone
		}
		body = append(body[:0], make([]byte, binary.LittleEndian.Uint32(head[:4]))...)
		if _, err := io.ReadFull(r, body); err != nil {
			return err
		}
		if err := n.note(time.Now(), body[max(0, len(body)-timedSize):]); err != nil {
			return err
		}
		binary.LittleEndian.PutUint32(head[:4], 0)
		_, _ = w.Write(head[:])
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
}

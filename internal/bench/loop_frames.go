package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// A bare frame is a length, the number of the call, and the bytes: the least that many calls on one connection need.
const frameHeader = 8

// loopFrames is the bare loop over bare frames, in the shape of the others: a goroutine for each call that runs.
func loopFrames() error {
	p, err := newPuller()
	if err != nil {
		return err
	}
	conn, err := net.Dial("unix", os.Getenv("PELTON_SOCKET"))
	if err != nil {
		return err
	}
	calls := make(chan frameCall, concurrency)
	var mu sync.Mutex
	running := map[uint32]chan<- struct{}{}
	errs := make(chan error, 3)
	go func() { errs <- writeEach(conn, calls, &mu, running) }()
	go func() { errs <- answerEach(conn, &mu, running) }()
	go func() {
		errs <- p.work(func() func(*nats.Msg) error {
			answered := make(chan struct{}, 1)
			return func(m *nats.Msg) error {
				calls <- frameCall{m, answered}
				<-answered
				return nil
			}
		})
	}()
	return <-errs
}

// frameCall is a call and where its answer is told.
type frameCall struct {
	m        *nats.Msg
	answered chan<- struct{}
}

func writeEach(conn net.Conn, calls <-chan frameCall, mu *sync.Mutex, running map[uint32]chan<- struct{}) error {
	w, number := bufio.NewWriterSize(conn, 64<<10), uint32(0)
	for c := range calls {
		number++
		mu.Lock()
		running[number] = c.answered
		mu.Unlock()
		if err := writeFrame(w, number, c.m); err != nil {
			return err
		}
		if len(calls) == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func answerEach(conn net.Conn, mu *sync.Mutex, running map[uint32]chan<- struct{}) error {
	r := bufio.NewReaderSize(conn, 64<<10)
	var head [frameHeader]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		number := binary.LittleEndian.Uint32(head[4:])
		mu.Lock()
		answered := running[number]
		delete(running, number)
		mu.Unlock()
		answered <- struct{}{}
	}
}

// loopFramesLean is the leanest loop there can be: one goroutine writes and one reads for all calls, and both gather what
// they can. Nothing in it could wait for a single call. The handler is given no more calls at once than its concurrency.
func loopFramesLean() error {
	p, err := newPuller()
	if err != nil {
		return err
	}
	conn, err := net.Dial("unix", os.Getenv("PELTON_SOCKET"))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	running := map[uint32]*nats.Msg{}
	slots := make(chan struct{}, concurrency)
	errs := make(chan error, 3)
	go func() { errs <- writeCalls(p, conn, &mu, running, slots) }()
	go func() { errs <- readAnswers(p, conn, &mu, running, slots) }()
	go func() {
		stopped()
		errs <- nil
	}()
	return <-errs
}

func writeCalls(p *puller, conn net.Conn, mu *sync.Mutex, running map[uint32]*nats.Msg, slots chan<- struct{}) error {
	w, number := bufio.NewWriterSize(conn, 64<<10), uint32(0)
	for m := range p.msgs {
		if m.Reply == "" {
			continue
		}
		select {
		case slots <- struct{}{}:
		default: // all are taken: what is gathered goes out before waiting for one
			if err := w.Flush(); err != nil {
				return err
			}
			slots <- struct{}{}
		}
		number++
		mu.Lock()
		running[number] = m
		mu.Unlock()
		if err := writeFrame(w, number, m); err != nil {
			return err
		}
		if len(p.msgs) == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeFrame(w *bufio.Writer, number uint32, m *nats.Msg) error {
	size := len(m.Data)
	for name, values := range m.Header {
		if strings.HasPrefix(name, "ce-") {
			size += len(name) + len(values[0])
		}
	}
	var head [frameHeader]byte
	binary.LittleEndian.PutUint32(head[:4], uint32(size))
	binary.LittleEndian.PutUint32(head[4:], number)
	_, _ = w.Write(head[:])
	for name, values := range m.Header {
		if strings.HasPrefix(name, "ce-") {
			_, _ = w.WriteString(name)
			_, _ = w.WriteString(values[0])
		}
	}
	_, err := w.Write(m.Data)
	return err
}

func readAnswers(p *puller, conn net.Conn, mu *sync.Mutex, running map[uint32]*nats.Msg, slots <-chan struct{}) error {
	r := bufio.NewReaderSize(conn, 64<<10)
	var head [frameHeader]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		number := binary.LittleEndian.Uint32(head[4:])
		mu.Lock()
		m := running[number]
		delete(running, number)
		mu.Unlock()
		<-slots
		p.settled(m)
	}
}

// serveFrames is the handler of the bare frames.
func serveFrames() error {
	l, err := net.Listen("unix", os.Getenv("PELTON_SOCKET"))
	if err != nil {
		return err
	}
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		r, w := bufio.NewReaderSize(conn, 64<<10), bufio.NewWriterSize(conn, 64<<10)
		var head [frameHeader]byte
		for {
			if _, err := io.ReadFull(r, head[:]); err != nil {
				return
			}
			if _, err := r.Discard(int(binary.LittleEndian.Uint32(head[:4]))); err != nil {
				return
			}
			binary.LittleEndian.PutUint32(head[:4], 0)
			_, _ = w.Write(head[:])
			if r.Buffered() == 0 {
				if err := w.Flush(); err != nil {
					return
				}
			}
		}
	}()
	stopped()
	return nil
}

package main

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	waitStart   = 20 * time.Second
	concurrency = 64
)

// puller is the pull half of the bare loop: it keeps twice the concurrency asked for, and does nothing else.
type puller struct {
	nc    *nats.Conn
	inbox string
	next  string
	msgs  chan *nats.Msg
	asked atomic.Int64
}

func newPuller() (*puller, error) {
	nc, err := nats.Connect(os.Getenv("NATS_URL"))
	if err != nil {
		return nil, err
	}
	p := &puller{
		nc: nc, inbox: nats.NewInbox(), next: "$JS.API.CONSUMER.MSG.NEXT.EVENTS." + os.Getenv("CONSUMER"),
		msgs: make(chan *nats.Msg, 4096),
	}
	if _, err := nc.ChanSubscribe(p.inbox, p.msgs); err != nil {
		return nil, err
	}
	p.ask(2 * concurrency)
	return p, nil
}

func (p *puller) ask(n int64) {
	p.asked.Add(n)
	body := fmt.Appendf(nil, `{"batch":%d,"expires":300000000000,"group":"pull"}`, n)
	_ = p.nc.PublishRequest(p.next, p.inbox, body)
}

// settled acknowledges, and asks for more once half of what was asked for is done.
func (p *puller) settled(m *nats.Msg) {
	_ = p.nc.Publish(m.Reply, []byte("+ACK"))
	if left := p.asked.Add(-1); left == concurrency {
		p.ask(concurrency)
	}
}

// work runs the loop with one goroutine per call.
func (p *puller) work(newCall func() func(m *nats.Msg) error) error {
	errs := make(chan error)
	for range concurrency {
		call := newCall()
		go func() {
			for m := range p.msgs {
				if m.Reply == "" {
					continue
				}
				if err := call(m); err != nil {
					errs <- err
					return
				}
				p.settled(m)
			}
		}()
	}
	go func() {
		stopped()
		errs <- nil
	}()
	return <-errs
}

func port() int {
	n, _ := strconv.Atoi(os.Getenv("PORT"))
	return n
}

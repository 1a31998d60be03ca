package httpcall_test

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/batchjson"
	"github.com/pelton-dev/pelton/internal/invoke/invoketest"
)

const (
	listenNetworkEnv = "HTTPCALL_TEST_NETWORK"
	listenAddressEnv = "HTTPCALL_TEST_ADDRESS"
)

func TestMain(m *testing.M) {
	invoketest.Main(m, map[string]func() error{"http": serveHandler, "nethttp": serveNetHTTP})
}

func listen() (net.Listener, error) {
	network, address := os.Getenv(listenNetworkEnv), os.Getenv(listenAddressEnv)
	if network == "unix" {
		_ = os.Remove(address)
	}
	return net.Listen(network, address)
}

// serveHandler is the handler process of the conformance suite: an HTTP server that can write anything.
func serveHandler() error {
	invoketest.ExitWithParent()
	ln, err := listen()
	if err != nil {
		return err
	}
	for {
		nc, err := ln.Accept()
		if err != nil {
			return err
		}
		go serveConn(nc)
	}
}

func serveConn(nc net.Conn) {
	defer nc.Close()
	in := bufio.NewReader(nc)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		if strings.HasPrefix(req.Header.Get("Content-Type"), "application/cloudevents-batch") {
			playBatch(nc, req.Header, body)
			continue
		}
		r, err := received(req.Header, body)
		if err != nil {
			answer := wire{}.Encode(invoke.Outcome{Kind: invoke.Reject, Reason: err.Error()})
			_, _ = nc.Write(answer)
			return
		}
		invoketest.Play(r, wire{nc})
	}
}

// playBatch answers a batch.
func playBatch(nc net.Conn, h http.Header, body []byte) {
	_, events, problems := event.FromHTTP(h, body, event.Limits{Batch: 1000})
	if len(problems) > 0 || len(events) == 0 {
		_, _ = nc.Write(wire{}.Encode(invoke.Outcome{Kind: invoke.Retry, Reason: fmt.Sprint(problems)}))
		return
	}
	r := &invoketest.BatchRequest{}
	for _, e := range events {
		one := invoketest.Request{Event: e}
		one.Attempt, one.Redeliveries = batchjson.Attempt(e)
		r.Events = append(r.Events, one)
	}
	a := invoketest.PlayBatch(r)
	if a.All != nil {
		_, _ = nc.Write(wire{}.Encode(*a.All))
		return
	}
	answer := a.JSON(r, false)
	_, _ = fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
}

func received(h http.Header, body []byte) (*invoketest.Request, error) {
	r := &invoketest.Request{}
	mode, events, problems := event.FromHTTP(h, body, event.Limits{})
	if mode == event.ModeNone || len(events) != 1 {
		return nil, fmt.Errorf("no event in the request: %v", problems)
	}
	r.Event = events[0]
	var err error
	if r.Attempt, err = strconv.Atoi(cmp.Or(h.Get("Pelton-Attempt"), "1")); err != nil {
		return nil, err
	}
	r.Epoch, _ = strconv.ParseUint(h.Get("Pelton-Epoch"), 10, 64) // not there without an order
	if s := h.Get("Pelton-Redeliveries"); s != "" {
		if r.Redeliveries, err = strconv.Atoi(s); err != nil {
			return nil, err
		}
	}
	if want, ok := r.Event.Extension("traceparent"); ok && h.Get("Traceparent") != want {
		return nil, fmt.Errorf("header traceparent is %q, want %q", h.Get("Traceparent"), want)
	}
	return r, nil
}

// wire answers on a raw connection.
type wire struct{ net.Conn }

func (w wire) Encode(o invoke.Outcome) []byte {
	var b bytes.Buffer
	switch o.Kind {
	case invoke.Retry:
		b.WriteString("HTTP/1.1 503 Service Unavailable\r\n")
		if o.After > 0 {
			fmt.Fprintf(&b, "Retry-After: %d\r\n", int(o.After.Seconds()))
		}
	case invoke.Reject:
		b.WriteString("HTTP/1.1 422 Unprocessable Entity\r\n")
	default:
		b.WriteString("HTTP/1.1 200 OK\r\n")
	}
	body := []byte(o.Reason)
	if o.Reply != nil {
		b.Write(event.AppendHTTPAttributes(nil, o.Reply))
		body = o.Reply.Data
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.Bytes()
}

func (w wire) Garbage() []byte { return []byte("SSH-2.0-OpenSSH_9.9\r\n") }

func (w wire) Flood(size int) []byte {
	head := "HTTP/1.1 200 OK\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\n"
	if size >= 0 {
		head += "Content-Length: " + strconv.Itoa(size) + "\r\n"
	}
	return []byte(head + "\r\n")
}

func (w wire) Finish(invoke.Outcome) {}

// freeAddress returns where a handler of the test can listen.
func freeAddress(t testing.TB, network string) string {
	t.Helper()
	if network == "unix" {
		dir, err := os.MkdirTemp("", "httpcall")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		return dir + "/s"
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func listenEnv(network, address string) []string {
	return []string{listenNetworkEnv + "=" + network, listenAddressEnv + "=" + address}
}

// serveNetHTTP is the handler process of the benchmark: what most handlers written in Go are.
func serveNetHTTP() error {
	invoketest.ExitWithParent()
	ln, err := listen()
	if err != nil {
		return err
	}
	return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil && !strings.Contains(err.Error(), "EOF") {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
}

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
)

// loopHTTP is the bare loop over net/http and TCP: what a straightforward sidecar does.
func loopHTTP() error {
	p, err := newPuller()
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: concurrency, MaxIdleConns: concurrency}}
	url := fmt.Sprintf("http://127.0.0.1:%d/", port())
	return p.work(func() func(*nats.Msg) error {
		return func(m *nats.Msg) error {
			req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(m.Data))
			if err != nil {
				return err
			}
			for name, values := range m.Header {
				if strings.HasPrefix(name, "ce-") {
					req.Header.Set(name, values[0])
				}
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			return resp.Body.Close()
		}
	})
}

// loopRaw is the bare loop over a unix socket with HTTP/1.1 written by hand: one write and one read for each call.
func loopRaw() error {
	p, err := newPuller()
	if err != nil {
		return err
	}
	return p.work(func() func(*nats.Msg) error {
		conn, err := net.Dial("unix", os.Getenv("PELTON_SOCKET"))
		if err != nil {
			return func(*nats.Msg) error { return err }
		}
		r, buf := bufio.NewReader(conn), make([]byte, 0, 4096)
		return func(m *nats.Msg) error {
			buf = append(buf[:0], "POST / HTTP/1.1\r\nHost: f\r\n"...)
			for name, values := range m.Header {
				if strings.HasPrefix(name, "ce-") {
					buf = append(append(append(append(buf, name...), ": "...), values[0]...), "\r\n"...)
				}
			}
			buf = fmt.Appendf(buf, "Content-Length: %d\r\n\r\n", len(m.Data))
			if _, err := conn.Write(append(buf, m.Data...)); err != nil {
				return err
			}
			for {
				line, err := r.ReadSlice('\n')
				if err != nil {
					return err
				}
				if len(line) <= 2 { // the handler's answers have no body
					return nil
				}
			}
		}
	})
}

package bridge

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
)

// bridge is a running Server on a real port, in front of a real NATS server.
type bridge struct {
	*Server
	nats   *natstest.Server
	events jetstream.Stream
	addr   string
	url    string
	client *http.Client
	stop   func() // ends Run and waits for it
}

// maxPayload is what the one-machine mode sets.
func maxPayload(o *server.Options) { o.MaxPayload = 2 << 20 }

// serve runs a bridge until the test ends. The streams are the product's own.
func serve(t testing.TB, change ...func(*Config)) *bridge {
	t.Helper()
	return serveOn(t, natstest.Start(t, maxPayload), change...)
}

func serveOn(t testing.TB, srv *natstest.Server, change ...func(*Config)) *bridge {
	t.Helper()
	js := srv.JetStream(t)
	if _, err := stream.Ensure(t.Context(), js, stream.Config{MaxPayload: 2 << 20}); err != nil {
		t.Fatal(err)
	}
	events, err := js.Stream(t.Context(), stream.EventsStream)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Conn: srv.Conn(t), Address: "127.0.0.1:0"}
	for _, f := range change {
		f(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &bridge{Server: s, nats: srv, events: events, client: &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}}
	b.run(t)
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

func (b *bridge) run(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := b.Run(ctx); err != nil {
			t.Errorf("bridge ended with %v", err)
		}
	}()
	b.stop = func() { cancel(); <-ended }
	t.Cleanup(func() { b.stop(); b.client.CloseIdleConnections() })
	select {
	case <-b.Ready():
	case <-ended:
		t.Fatal("bridge did not start")
	}
	b.addr = b.Addr().String()
	b.url = "http://" + b.addr
}

// answer is a response that was read.
type answer struct {
	*http.Response
	body []byte
}

// do sends a request; header is pairs of names and values.
func (b *bridge) do(t testing.TB, method, path, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, resp)
}

func (b *bridge) post(t testing.TB, path, body string, header ...string) answer {
	t.Helper()
	return b.do(t, http.MethodPost, path, body, header...)
}

func read(t testing.TB, resp *http.Response) answer {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	return answer{resp, body}
}

// dial opens a connection to write what no client library would.
func (b *bridge) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}

// wire sends bytes on a connection of their own, and reads the first answer and what the connection still holds after it.
func (b *bridge) wire(t testing.TB, request string) (first answer, rest string) {
	t.Helper()
	c := b.dial(t)
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return readWire(t, c)
}

func readWire(t testing.TB, c net.Conn) (first answer, rest string) {
	t.Helper()
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	first = read(t, resp)
	if first.Close {
		after, err := io.ReadAll(r)
		if err != nil && !strings.Contains(err.Error(), "reset") {
			t.Fatalf("the connection is not closed: %v", err)
		}
		rest = string(after)
	}
	return first, rest
}

func (b *bridge) count(t testing.TB) uint64 {
	t.Helper()
	return stored(t, b.events)
}

// decoded is the event stored at a sequence.
func (b *bridge) decoded(t testing.TB, seq uint64) *event.Event {
	t.Helper()
	return decode(t, b.events, seq)
}

func decode(t testing.TB, s jetstream.Stream, seq uint64) *event.Event {
	t.Helper()
	m, err := s.GetMsg(t.Context(), seq)
	if err != nil {
		t.Fatal(err)
	}
	e, err := event.Decode(&event.Message{
		Subject: m.Subject, Header: m.Header, Data: m.Data, Stream: "EVENTS",
		Sequence: seq, Time: m.Time,
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// wantAccepted checks a 202 for one event.
func wantAccepted(t testing.TB, a answer) accepted {
	t.Helper()
	var got accepted
	if a.StatusCode != http.StatusAccepted || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d %s: %s", a.StatusCode, a.Header.Get("Content-Type"), a.body)
	}
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	if got.ID == "" || got.Subject == "" || got.Sequence == 0 {
		t.Fatalf("incomplete answer %s", a.body)
	}
	return got
}

var (
	uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	// leaks are things no answer may hold: addresses, Go's types and packages, files, panics.
	leaks = regexp.MustCompile(`127\.0\.0\.1:\d|0x[0-9a-f]{6}|\*http\.|net/http|\.go:\d|goroutine|nats:|/tmp/|i/o timeout|read tcp`)
)

// wantProblem checks that an answer is a complete problem document.
func wantProblem(t testing.TB, a answer, status int, code string) problem {
	t.Helper()
	var p problem
	if a.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", a.StatusCode, status, a.body)
	}
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("content type %q, want a problem document: %s", got, a.body)
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	id := a.Header.Get("X-Request-Id")
	if !uuidPattern.MatchString(id) || p.Instance != "urn:uuid:"+id {
		t.Errorf("request id %q, instance %q", id, p.Instance)
	}
	if p.Status != status || p.Code != code || p.Type != problemBase+p.Code || p.Title == "" || p.Detail == "" ||
		len(p.Errors) > 20 {
		t.Errorf("want %d %s, got %s", status, code, a.body)
	}
	if leak := leaks.Find(a.body); leak != nil {
		t.Errorf("answer holds %q: %s", leak, a.body)
	}
	if needsRetry := status == 429 || status == 503; needsRetry != (a.Header.Get("Retry-After") != "") {
		t.Errorf("status %d with Retry-After %q", status, a.Header.Get("Retry-After"))
	}
	return p
}

// unharmed checks that a refused request stored nothing and that the next good one is accepted.
func (b *bridge) unharmed(t testing.TB, before uint64) {
	t.Helper()
	if n := b.count(t); n != before {
		t.Fatalf("%d events stored by a refused request", n-before)
	}
	wantAccepted(t, b.post(t, "/events/good", `{"good":true}`, tokenHeader(b)...))
	if n := b.count(t); n != before+1 {
		t.Fatalf("a good request stored %d events", n-before)
	}
}

func tokenHeader(b *bridge) []string {
	if b.cfg.Token == "" {
		return nil
	}
	return []string{"Authorization", "Bearer " + b.cfg.Token}
}

func repeat(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

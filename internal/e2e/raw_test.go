package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/deadletter"
)

// TestRawPublish publishes as `nats pub` does: bytes, no headers, no acknowledgement asked for.
func TestRawPublish(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.function("hello", modeServe)
	u := m.up()
	c := u.client()
	if err := errors.Join(c.nc.Publish("events.hello", []byte(`{"name":"you"}`)), c.nc.Flush()); err != nil {
		t.Fatal(err)
	}
	m.awaitEnds("hello", 1)
	got := m.ledger("hello").of(recordEnd)[0]
	got.PID = 0
	want := record{
		Kind: recordEnd, Attempt: 1, ID: "EVENTS-1", Source: "nats://EVENTS", Type: "events.hello", Subject: "events.hello",
		ContentType: "application/json", Data: `{"name":"you"}`, Size: 14,
	}
	if got != want {
		t.Errorf("handler got\n%+v, want\n%+v", got, want)
	}
}

// message is one publish of a client that may know nothing of CloudEvents, and what must become of it.
type message struct {
	name   string
	header nats.Header
	data   string
	dead   string // in the error of the dead letter; "" means that it is handled
	with   string // in the record of the handler, if it is handled
}

func ce(change ...string) nats.Header {
	h := nats.Header{"ce-specversion": {"1.0"}, "ce-id": {"x"}, "ce-source": {"//e2e"}, "ce-type": {"e2e.test"}}
	for i := 0; i < len(change); i += 2 {
		h[change[i]] = []string{change[i+1]}
		if change[i+1] == "" {
			delete(h, change[i])
		}
	}
	return h
}

var messages = []message{
	{name: "N01 plain text", data: "hello there", with: "hello there"},
	{name: "N02 JSON that is no CloudEvent", data: `{"a":[1,2`, with: `{"a":[1,2`},
	{
		name: "N03 structured, broken JSON", header: nats.Header{"Content-Type": {"application/cloudevents+json"}},
		data: `{"id":`, dead: "JSON",
	},
	{
		name: "N03 structured, no source", header: nats.Header{"content-type": {"application/cloudevents+json; charset=utf-8"}},
		data: `{"specversion":"1.0","id":"1","type":"t"}`, dead: "source",
	},
	{
		name: "N03 structured, batch", header: nats.Header{"Content-Type": {"application/cloudevents-batch+json"}},
		data: `[]`, dead: "content-type",
	},
	{name: "N04 Ce-Id", header: ce("ce-id", "", "Ce-Id", "n04-a"), data: "x", with: "n04-a"},
	{
		name: "N04 CE-ID", header: ce("ce-id", "", "CE-ID", "n04-b", "ce-type", "", "cE-tYPE", "e2e.test"), data: "x",
		with: "n04-b",
	},
	{name: "N05 no type", header: ce("ce-type", ""), data: "x", dead: "type"},
	{name: "N05 no id", header: ce("ce-id", ""), data: "x", dead: "id"},
	{name: "N05 no specversion", header: ce("ce-specversion", ""), data: "x", dead: "specversion"},
	{name: "N05 specversion 0.3", header: ce("ce-specversion", "0.3"), data: "x", dead: "specversion"},
	{name: "N05 time", header: ce("ce-time", "yesterday"), data: "x", dead: "time"},
	{name: "N05 percent", header: ce("ce-subject", "100%"), data: "x", dead: "subject"},
	{name: "N05 extension name", header: ce("ce-bad_name", "x"), data: "x", dead: "bad_name"},
	{
		name:   "N05 id twice",
		header: nats.Header{"ce-specversion": {"1.0"}, "ce-id": {"a", "b"}, "ce-source": {"//e2e"}, "ce-type": {"t"}},
		data:   "x", dead: "id",
	},
	{name: "N06 nothing at all", data: "", with: "EVENTS-"},
	{name: "N07 1 MiB", data: strings.Repeat("m", 1<<20), with: "mmmm"},
	{name: "N08 60 KiB of headers", header: ce("ce-id", "n08", "X-Long", strings.Repeat("h", 60<<10)), data: "x", with: "n08"},
	{
		name: "N08 60 KiB of broken headers", header: ce("ce-id", "", "X-Long", strings.Repeat("h", 60<<10)), data: "x",
		dead: "id",
	},
	{name: "N12 reply subject", data: "reply", with: "reply"},
}

// TestForeignMessages publishes what foreign clients publish, matrix 3.4 of the reliability research. Each is handled, or is
// a dead letter with its bytes and headers and a reason that names the attribute, and never reached the handler.
func TestForeignMessages(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.function("raw", modeServe)
	u := m.up()
	c := u.client()
	want, dead := 0, 0
	for _, msg := range messages {
		reply := ""
		if strings.Contains(msg.name, "reply") {
			reply = c.nc.NewInbox()
		}
		m := &nats.Msg{Subject: "events.raw", Reply: reply, Header: msg.header, Data: []byte(msg.data)}
		if err := c.nc.PublishMsg(m); err != nil {
			t.Fatalf("%s: %v", msg.name, err)
		}
		if msg.dead == "" {
			want++
		} else {
			dead++
		}
	}
	m.awaitEnds("raw", want)
	c.awaitSettled("raw")
	l, letters := m.ledger("raw"), c.deadLetters("raw")
	if len(l.of(recordBegin)) != want || len(letters) != dead {
		t.Errorf("%d calls and %d dead letters, want %d and %d", len(l.of(recordBegin)), len(letters), want, dead)
	}
	for _, msg := range messages {
		if msg.dead != "" {
			letters = checkLetter(t, msg, letters)
		} else if !handled(l, msg) {
			t.Errorf("%s: not handled", msg.name)
		}
	}
}

func handled(l ledger, msg message) bool {
	for _, r := range l.of(recordEnd) {
		if r.Size == len(msg.data) && strings.Contains(r.ID+" "+r.Data, msg.with) {
			return true
		}
	}
	return false
}

// checkLetter looks for the dead letter of a message and returns the others.
func checkLetter(t *testing.T, msg message, letters []deadletter.Letter) []deadletter.Letter {
	t.Helper()
	for i, l := range letters {
		if string(l.Data) != msg.data || !sameHeader(l.Header, msg.header) {
			continue
		}
		if l.Reason != deadletter.ReasonUndecodable {
			t.Errorf("%s: reason %q", msg.name, l.Reason)
		}
		contains(t, msg.name, l.Error, msg.dead)
		return append(letters[:i:i], letters[i+1:]...)
	}
	t.Errorf("%s: no dead letter with its bytes and headers", msg.name)
	return letters
}

func sameHeader(got, want map[string][]string) bool {
	return len(got) == len(want) && fmt.Sprint(got) == fmt.Sprint(want)
}

// TestServerHeaders makes sure that headers with a meaning for the server can do nothing to the events of others.
func TestServerHeaders(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.function("raw", modeServe)
	u := m.up()
	c := u.client()
	c.mustSend("events.raw", "before", "x")
	for _, h := range []nats.Header{
		{"Nats-Rollup": {"all"}},
		{"Nats-Rollup": {"sub"}},
		{"Nats-TTL": {"1s"}},
		{"Nats-Expected-Stream": {"OTHER"}},
		{"Nats-Expected-Last-Sequence": {"99"}},
		{"Nats-Expected-Last-Msg-Id": {"nobody"}},
		{"Nats-Schedule": {"@at 2030-01-01T00:00:00Z"}, "Nats-Schedule-Target": {"events.raw"}},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		_, err := c.js.PublishMsg(ctx, &nats.Msg{Subject: "events.raw", Header: h, Data: []byte("x")})
		cancel()
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: error %v, want a refusal", h, err)
		}
	}
	c.mustSend("events.raw", "after", "x")
	m.awaitEnds("raw", 2)
	c.awaitSettled("raw")
	if n := c.count("EVENTS"); n != 2 || len(m.ledger("raw").of(recordBegin)) != 2 {
		t.Errorf("%d events stored and %d calls, want 2", n, len(m.ledger("raw").of(recordBegin)))
	}
}

// TestBrokenProtocol speaks to the server by hand, as a broken client would: a header block that is none, and subjects with
// wildcards in them. Events behind such a message are handled all the same.
func TestBrokenProtocol(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.function("raw", modeServe, func(s *functionSpec) { s.Triggers = on("events.>") })
	u := m.up()
	c := u.client()
	block := "NATS/1.0\r\nthis is no header\r\n\r\n"
	u.speak(t,
		fmt.Sprintf("HPUB events.raw %d %d\r\n%sjunk\r\n", len(block), len(block)+4, block),
		"PUB events.* 4\r\nwild\r\n", "PUB events.> 4\r\nwild\r\n", "PUB events..x 4\r\nvoid\r\n", "PUB events.a\x00b 4\r\nnull\r\n")
	c.mustSend("events.raw", "good", "x")
	await(t, "the good event is handled", func() error {
		if len(m.ledger("raw").with("good").of(recordEnd)) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	c.awaitSettled("raw")
	for _, r := range m.ledger("raw").of(recordBegin) {
		if r.Data == "junk" || r.Data == "null" {
			t.Errorf("the handler got a message that is no event: %+v", r)
		}
	}
	checkLetters(t, c.deadLetters("raw"), map[string]string{"junk": "header block", "null": "U+0000"})
}

// checkLetters wants one dead letter for each data, with a word in its error.
func checkLetters(t *testing.T, letters []deadletter.Letter, want map[string]string) {
	t.Helper()
	if len(letters) != len(want) {
		t.Errorf("%d dead letters, want %d: %+v", len(letters), len(want), letters)
	}
	for _, l := range letters {
		contains(t, "error of "+string(l.Data), l.Error, want[string(l.Data)])
	}
}

// speak sends lines of the NATS protocol and waits until the server has read them.
func (u *up) speak(t *testing.T, lines ...string) {
	t.Helper()
	at, err := url.Parse(u.state.NATSURL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", at.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	text := `CONNECT {"verbose":false,"pedantic":false,"headers":true}` + "\r\n" + strings.Join(lines, "") + "PING\r\n"
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	for answers := bufio.NewScanner(conn); answers.Scan(); {
		if answers.Text() == "PONG" {
			return
		}
	}
	t.Fatal("no PONG")
}

// TestManyBadMessages puts ten thousand messages that are no events in front of a good one.
func TestManyBadMessages(t *testing.T) {
	t.Parallel()
	bad := 10_000
	if testing.Short() {
		bad = 500
	}
	m := newMachine(t)
	m.function("raw", modeServe)
	u := m.up()
	c := u.client()
	header := ce("ce-type", "")
	for range bad {
		if err := c.nc.PublishMsg(&nats.Msg{Subject: "events.raw", Header: header, Data: []byte("bad")}); err != nil {
			t.Fatal(err)
		}
	}
	c.mustSend("events.raw", "good", "x")
	started := time.Now()
	m.awaitEnds("raw", 1)
	t.Logf("the good event was handled %v after it was stored", time.Since(started))
	c.awaitSettled("raw")
	if n := c.count("PELTON_DEAD"); n != bad || len(m.ledger("raw").of(recordBegin)) != 1 {
		t.Errorf("%d dead letters and %d calls, want %d and 1", n, len(m.ledger("raw").of(recordBegin)), bad)
	}
}

package bridge

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
)

// said are fields of a caller that an application takes for the word of a proxy, of its server, or of Pelton.
const said = "SCRIPT_NAME: /tasks\r\nX_Forwarded_For: 10.0.0.1\r\nX.Forwarded.For: 10.0.0.1\r\nPelton_Epoch: 7\r\nPelton-Epoch: 7\r\n" +
	"Proxy: http://evil.example\r\nX-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nX-Forwarded-Prefix: /admin\r\n" +
	"X-Forwarded-Ssl: on\r\nX-Real-IP: 10.0.0.1\r\nTrue-Client-IP: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nX-Own: yes\r\n"

func TestAnApplicationIsNotToldWhatACallerMakesUp(t *testing.T) {
	t.Parallel()
	for trusted, want := range map[bool]string{
		false: "X-Own",
		true:  "Forwarded True-Client-Ip X-Forwarded-Prefix X-Forwarded-Ssl X-Original-Url X-Own X-Real-Ip X-Rewrite-Url",
	} {
		f := openFront(t, nil, func(c *Config) { c.TrustForwarded = trusted })
		f.app(func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{
				"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Pelton-Id", // ours
			} {
				if r.Header.Get(name) == "" {
					t.Errorf("%s is missing", name)
				}
				r.Header.Del(name)
			}
			_ = r.Header.WriteSubset(w, nil)
		})
		a, _ := f.wire(t, "GET /tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"+said+"\r\n")
		var names []string
		for line := range strings.Lines(string(a.body)) {
			name, _, _ := strings.Cut(line, ":")
			names = append(names, name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("trusted %v: the application saw %q, want %q", trusted, got, want)
		}
	}
}

// TestATLSConnectionIsSaidToBeOne: net/http does not see through our connections to TLS.
func TestATLSConnectionIsSaidToBeOne(t *testing.T) {
	t.Parallel()
	b, _ := serveTLS(t)
	route := []Route{{Path: "/tasks", Namespace: "default", Function: "tasks", Plain: true}}
	if err := b.SetRoutes(route); err != nil {
		t.Fatal(err)
	}
	got := wantAccepted(t, b.post(t, "/tasks", "1"))
	work, err := b.nats.JetStream(t).Stream(t.Context(), stream.WorkStream)
	if err != nil {
		t.Fatal(err)
	}
	m, err := work.GetMsg(t.Context(), got.Sequence)
	if err != nil {
		t.Fatal(err)
	}
	if fields := strings.Join(m.Header[event.HeaderField], "\n"); !strings.Contains(fields, "X-Forwarded-Proto: https") {
		t.Errorf("the application is told\n%s", fields)
	}
}

func TestCopyFieldsKeepsWhatIsSaidOfOurConnection(t *testing.T) {
	t.Parallel()
	h := http.Header{"Connection": {"close"}}
	copyFields(h, []string{"connection: keep-alive", "Keep-Alive: 5", "UPGRADE: h2c", "content-length: 7", "x-own: a", "X-Own: b", "bad"})
	if diff := cmp.Diff(http.Header{"Connection": {"close"}, "Content-Length": {"7"}, "X-Own": {"a", "b"}}, h); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestChunkedCallWithContentLength: as for events (row B01), also where an application answers.
func TestChunkedCallWithContentLength(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	f.app(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s", r.URL.Path, body)
	})
	head := wireHead("POST", "/tasks/x") + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
	c := f.dial(t)
	if _, err := io.WriteString(c, head+"1\r\na\r\n0\r\n\r\n"+wireHead("POST", "/tasks/smuggled")+"Content-Length: 1\r\n\r\n1"); err != nil {
		t.Fatal(err)
	}
	a, rest := readWire(t, c)
	if string(a.body) != "/tasks/x a" || !a.Close || rest != "" {
		t.Errorf("%q, close %v, then %q", a.body, a.Close, rest)
	}
}

// like is what net/http answers by itself to a request that it cannot read.
const like = "HTTP/1.1 400 Bad Request" + libraryHead + "400 Bad Request"

// TestTheEndOfAnAnswerThatLooksLikeTheLibrarys: a buffer of net/http is filled to its last byte, so that the rest is a write of its own.
func TestTheEndOfAnAnswerThatLooksLikeTheLibrarys(t *testing.T) {
	t.Parallel()
	const buffer = 4096
	f := openFront(t, nil)
	f.app(func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscan(r.URL.RawQuery, &n)
		w.Header().Set("Content-Length", fmt.Sprint(n+len(like))) // one part, and no chunks
		_, _ = io.WriteString(w, strings.Repeat("x", n)+like)
	})
	c := f.dial(t)
	r := bufio.NewReader(c)
	head := 0
	for _, n := range []int{3500, 0} {
		if n == 0 {
			n, head = buffer-head, 0
		}
		if _, err := fmt.Fprintf(c, "GET /tasks?%d HTTP/1.1\r\nHost: localhost\r\n\r\n", n); err != nil {
			t.Fatal(err)
		}
		for line := ""; line != "\r\n"; head += len(line) {
			var err error
			if line, err = r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		body := make([]byte, n+len(like))
		if _, err := io.ReadFull(r, body); err != nil || string(body[n:]) != like {
			t.Fatalf("after %d bytes of header and %d of the body: %q (%v), want %q", head, n, body[n:], err, like)
		}
	}
}

// TestAPartThatLooksLikeTheLibrarys is passed on like any other: what begins a packet is the application's choice.
func TestAPartThatLooksLikeTheLibrarys(t *testing.T) {
	t.Parallel()
	first := strings.Repeat("x", 100)
	next := make(chan struct{})
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(first+like)))
		_, _ = io.WriteString(w, first)
		_ = http.NewResponseController(w).Flush()
		<-next
		_, _ = io.WriteString(w, like)
		_ = http.NewResponseController(w).Flush()
	})
	b := serve(t, func(c *Config) { c.Handlers = map[string]http.Handler{"/page": page} })
	resp, err := b.client.Get(b.url + "/page")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, len(first))); err != nil {
		t.Fatal(err)
	}
	close(next)
	if rest, err := io.ReadAll(resp.Body); string(rest) != like || err != nil {
		t.Errorf("%q (%v), want %q", rest, err, like)
	}
}

// TestRepliesGoToInboxesOfTheFunction: who answers names the subject on which he wants more, and may name any.
func TestRepliesGoToInboxesOfTheFunction(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	one, err := f.callers.add("default", "tasks")
	if err != nil {
		t.Fatal(err)
	}
	f.callers.remove(one) // whoever still has something for him is told so
	nc := f.nats.Conn(t)
	heard, err := nc.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	for _, reply := range []string{
		"events.forged", "pelton.work.default.other.http", "_INBOX_PELTON.default.other.x", "_INBOX_PELTON.default.tasks2.x", "_INBOXES.x",
		"_INBOX.x", "_INBOX_PELTON.default.tasks.x",
	} {
		if err := nc.PublishRequest(one.subject, reply, nil); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for len(got) < 2 {
		m, err := heard.NextMsgWithContext(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m.Header.Get(event.HeaderGone) != "" {
			got = append(got, m.Subject)
		}
	}
	if diff := cmp.Diff([]string{"_INBOX.x", "_INBOX_PELTON.default.tasks.x"}, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestRepliesWithCredentials: a bridge that has inboxes of its own leaves the common ones alone.
func TestRepliesWithCredentials(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	c := newCallers(srv.Conn(t, nats.CustomInboxPrefix("_INBOX_PELTON_BRIDGE")))
	for reply, want := range map[string]bool{
		"_INBOX_PELTON.a.b.x": true, "_INBOX.x": false, "_INBOX_PELTON_BRIDGE.x": false, "": false, "_INBOX_PELTON.a.c.x": false,
	} {
		if got := c.mayReply(&nats.Msg{Subject: "pelton.answer.a.b.me.x", Reply: reply}); got != want {
			t.Errorf("reply to %q: %v, want %v", reply, got, want)
		}
	}
}

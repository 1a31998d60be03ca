package httpcall_test

import (
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
)

// heardAnswer is a responder that keeps what it is told.
type heardAnswer struct{ body []byte }

func (*heardAnswer) Begin(int, []string) error { return nil }

func (h *heardAnswer) Write(p []byte) (int, error) {
	h.body = append(h.body, p...)
	return len(p), nil
}

func (*heardAnswer) Flush() error { return nil }

// TestOriginalFields: what a field is called decides who it is for, once an application has made a variable of its name.
func TestOriginalFields(t *testing.T) {
	t.Parallel()
	got := make(chan map[string][]string, 1)
	s := newRawServer(t, "tcp", func(_ int, c *rawConn) {
		if r, _, err := c.request(); err == nil {
			got <- r.Header
			c.say(noContent)
		}
	})
	call := newCall("")
	call.Request = &invoke.Request{Line: "GET /a", Fields: []string{
		"Host: a.example", "X-Own: 1", "SCRIPT_NAME: /a", "Pelton_Epoch: 7", "Pelton-Epoch: 7", "X.Forwarded.For: 10.0.0.1", "X~Y: 1", "x-2: 2",
	}}
	if _, err := s.invoker(t, httpcall.Config{Plain: true}).Invoke(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]string{"X-Own": {"1"}, "X-2": {"2"}, "Pelton-Id": {"1"}}, <-got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHeadIsWhatIsSent: a line that cannot be sent is replaced, and then the answer has a body, which may not be left on the connection.
func TestHeadIsWhatIsSent(t *testing.T) {
	t.Parallel()
	lines := make(chan string, 1)
	s := newRawServer(t, "tcp", func(_ int, c *rawConn) {
		for {
			r, _, err := c.request()
			if err != nil {
				return
			}
			lines <- r.Method + " " + r.RequestURI
			answer := "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
			if r.Method != "HEAD" {
				answer += "hello"
			}
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
		}
	})
	inv := s.invoker(t, httpcall.Config{Plain: true})
	for _, tt := range []struct{ line, sent, body string }{
		{"HEAD /a", "HEAD /a", ""},
		{"HEAD a", "POST /", "hello"},
		{"HEAD /a b", "POST /", "hello"},
		{"HEADS /a", "HEADS /a", "hello"},
		{"GET /a", "GET /a", "hello"},
	} {
		call, answer := newCall(""), &heardAnswer{}
		call.Request, call.Answer = &invoke.Request{Line: tt.line}, answer
		if _, err := inv.Invoke(t.Context(), call); err != nil {
			t.Fatalf("%s: %v", tt.line, err)
		}
		if sent := <-lines; sent != tt.sent || string(answer.body) != tt.body {
			t.Errorf("%s: sent %q and heard %q, want %q and %q", tt.line, sent, answer.body, tt.sent, tt.body)
		}
	}
	if n := s.connections(); n != 1 {
		t.Errorf("%d connections, want one: nothing was left on it", n)
	}
}

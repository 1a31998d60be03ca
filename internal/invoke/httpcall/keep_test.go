package httpcall_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
)

// TestKeptAnswers sends each answer twice, and tells from the number of connections that nothing was left on one.
func TestKeptAnswers(t *testing.T) {
	t.Parallel()
	const limit = 100
	for name, c := range map[string]struct {
		line, answer string
		want         invoke.Outcome
		kept         invoke.Answer
	}{
		"success": {
			"GET /", "HTTP/1.1 200 OK\r\nA: b\r\nConnection: x\r\nX: y\r\nContent-Length: 2\r\n\r\nok",
			invoke.Outcome{},
			invoke.Answer{Status: 200, Fields: []string{"A: b", "Content-Length: 2"}, Body: []byte("ok")},
		},
		"redirect": {
			"POST /", "HTTP/1.1 303 See Other\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
			invoke.Outcome{},
			invoke.Answer{Status: 303, Fields: []string{"Location: /x", "Content-Length: 0"}},
		},
		"refusal": {
			"POST /", "HTTP/1.1 422 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
			invoke.Outcome{Kind: invoke.Reject, Reason: "HTTP 422: no"},
			invoke.Answer{Status: 422, Body: []byte("no")},
		},
		"failure": {
			"POST /", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
			invoke.Outcome{Kind: invoke.Retry, Reason: "HTTP 503: Service Unavailable"},
			invoke.Answer{Status: 503, Fields: []string{"Content-Length: 0"}},
		},
		"too large": {
			"POST /", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n%s", repeat("x", 300000)),
			invoke.Outcome{},
			invoke.Answer{Status: 200, Fields: []string{"Content-Length: 300000"}, Cut: true},
		},
		"too large in chunks": {
			"POST /", fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n", repeat("40\r\n"+repeat("y", 64)+"\r\n", 3)),
			invoke.Outcome{},
			invoke.Answer{Status: 200, Cut: true},
		},
		"head alone": {"HEAD /", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", invoke.Outcome{}, invoke.Answer{
			Status: 200, Fields: []string{"Content-Length: 5"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newRawServer(t, "tcp", always(c.answer))
			inv := s.invoker(t, httpcall.Config{Plain: true, MaxResponse: limit})
			for range 2 {
				call, kept := newCall("x"), invoke.Answer{}
				call.Request, call.Kept = &invoke.Request{Line: c.line}, &kept
				got, err := inv.Invoke(t.Context(), call)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("outcome (-want +got):\n%s", diff)
				}
				if len(kept.Body) == 0 {
					kept.Body = nil
				}
				if diff := cmp.Diff(c.kept, kept); diff != "" {
					t.Errorf("kept (-want +got):\n%s", diff)
				}
			}
			if n := s.connections(); n != 1 {
				t.Errorf("%d connections, want one", n)
			}
		})
	}
}

// TestKeptAnswersThatBreakOff: the word of an error stands, and half a success is none.
func TestKeptAnswersThatBreakOff(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]invoke.Answer{
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf":                       {},
		"HTTP/1.1 101 Switch\r\n\r\n":                                             {},
		"HTTP/1.1 200 OK\r\nce-id: 1\r\nContent-Length: 99999999\r\n\r\nhalf":     {},
		"HTTP/1.1 400 Bad Request\r\nX: y\r\nContent-Length: 10\r\n\r\nonly half": {Status: 400, Fields: []string{"X: y", "Content-Length: 10"}, Cut: true},
	} {
		s := newRawServer(t, "tcp", func(_ int, c *rawConn) {
			if _, _, err := c.request(); err == nil {
				c.say(answer)
			}
		})
		call, kept := newCall("x"), invoke.Answer{}
		call.Kept = &kept
		outcome, err := s.invoker(t, httpcall.Config{}).Invoke(t.Context(), call)
		if diff := cmp.Diff(want, kept); diff != "" {
			t.Errorf("%q: kept (-want +got):\n%s", answer, diff)
		}
		var failed *invoke.Error
		if broke := errors.As(err, &failed); broke == (want.Status != 0) || !broke && outcome.Kind != invoke.Reject {
			t.Errorf("%q: %+v, %v", answer, outcome, err)
		}
	}
}

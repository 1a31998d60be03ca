package httpcall_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
)

func TestRequest(t *testing.T) {
	t.Parallel()
	type request struct {
		*http.Request
		body string
	}
	got := make(chan request, 1)
	s := newRawServer(t, "tcp", func(_ int, c *rawConn) {
		for {
			r, body, err := c.request()
			if err != nil {
				return
			}
			got <- request{r, string(body)}
			c.say(noContent)
		}
	})
	call := &invoke.Call{
		Event: &event.Event{
			ID: "1", Source: "/s", Type: "t", Subject: "sub", DataContentType: "text/plain", Data: []byte("hei"),
			Extensions: []event.Attribute{
				{Name: "traceparent", Value: "00-a-b-01"}, {Name: "tracestate", Value: "x\r\nEvil: 1"}, {Name: "ext", Value: "ø"},
			},
		},
		Function: "prod/f", Attempt: 2, Redeliveries: 1, Deadline: time.Now().Add(patience),
	}
	for _, plain := range []bool{false, true} {
		inv := s.invoker(t, httpcall.Config{Plain: plain})
		if _, err := inv.Invoke(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		r := <-got
		want := map[string]string{
			"Content-Type": "text/plain", "Ce-Id": "1", "Ce-Source": "/s", "Ce-Type": "t", "Ce-Specversion": "1.0",
			"Ce-Subject": "sub", "Ce-Ext": "%C3%B8", "Traceparent": "00-a-b-01", "Tracestate": "", "Evil": "",
			"Pelton-Attempt": "2", "Pelton-Redeliveries": "1",
		}
		if plain {
			want["Ce-Subject"], want["Ce-Ext"] = "", ""
		}
		for name, value := range want {
			if r.Header.Get(name) != value {
				t.Errorf("plain %v: header %s is %q, want %q", plain, name, r.Header.Get(name), value)
			}
		}
		if r.Method != "POST" || r.URL.Path != "/" || r.Host != s.ln.Addr().String() || r.body != "hei" {
			t.Errorf("plain %v: got %s %s, host %s, body %q", plain, r.Method, r.URL, r.Host, r.body)
		}
	}
}

// The first attempt, no redelivery and no order are said by no header.
func TestRequestOfFirstAttempt(t *testing.T) {
	t.Parallel()
	s := newRawServer(t, "unix", func(_ int, c *rawConn) {
		r, _, err := c.request()
		if err == nil && len(metadata(r.Header)) == 0 && r.Host == "localhost" {
			c.say(noContent)
		}
	})
	call := newCall("x")
	if _, err := s.invoker(t, httpcall.Config{}).Invoke(t.Context(), call); err != nil {
		t.Error(err)
	}
}

// metadata returns the names of the headers that are Pelton's.
func metadata(h http.Header) []string {
	return slices.DeleteFunc(slices.Collect(maps.Keys(h)), func(name string) bool { return !strings.HasPrefix(name, "Pelton-") })
}

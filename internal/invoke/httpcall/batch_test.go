package httpcall_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
)

// TestAnswersToABatch are those that the conformance suite does not know: they are of HTTP alone.
func TestAnswersToABatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		kind   invoke.Kind // of both events, or of the batch as a whole
		says   string      // what the error says
	}{
		"no content":       {204, "", invoke.Done, ""},
		"accepted":         {202, "", invoke.Done, ""},
		"failures":         {200, `{"batchItemFailures":[{"itemIdentifier":"1"},{"itemIdentifier":"2"}]}`, invoke.Retry, ""},
		"not found":        {404, "no such page", invoke.Retry, ""},
		"bad request":      {400, "no", invoke.Reject, ""},
		"takes no batches": {415, "one at a time", 0, "bad-response: the handler takes no batches: HTTP 415: one at a time"},
		"page":             {200, "<html>hello</html>", 0, "bad-response: the answer"},
		"redirect":         {302, "", 0, "bad-response"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		inv, err := httpcall.New(httpcall.Config{Address: strings.TrimPrefix(server.URL, "http://")})
		if err != nil {
			t.Fatal(err)
		}
		v, err := inv.InvokeBatch(t.Context(), twoEvents())
		var e *invoke.Error
		switch {
		case c.says != "":
			if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), c.says) {
				t.Errorf("%s: got %+v, error %v, want %q", name, v, err, c.says)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case v.All != nil && v.All.Kind != c.kind, v.All == nil && (v.Each[0].Outcome.Kind != c.kind || v.Each[1].Outcome.Kind != c.kind):
			t.Errorf("%s: got %+v, want %v", name, v, c.kind)
		}
		_ = inv.Close()
		server.Close()
	}
}

func TestPlainProtocolHasNoBatches(t *testing.T) {
	t.Parallel()
	inv, err := httpcall.New(httpcall.Config{Address: "127.0.0.1:1", Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	defer inv.Close()
	if _, err := inv.InvokeBatch(t.Context(), twoEvents()); !errors.Is(err, invoke.ErrNotReady) {
		t.Errorf("got %v, want ErrNotReady", err)
	}
}

func twoEvents() *invoke.Batch {
	return &invoke.Batch{Items: []invoke.Item{
		{Event: &event.Event{ID: "1", Source: "/s", Type: "t"}, Attempt: 1},
		{Event: &event.Event{ID: "2", Source: "/s", Type: "t"}, Attempt: 1},
	}}
}

package functions

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// TestStoppedBeforeSidecar ends the wait for a socket that never comes.
func TestStoppedBeforeSidecar(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	stop := time.AfterFunc(20*time.Millisecond, cancel)
	defer stop.Stop()
	if err := serve(ctx, nil, settings{socket: filepath.Join(t.TempDir(), "none")}); err != nil {
		t.Fatalf("got %v, want nil", err)
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ host, want string }{
		{"", "127.0.0.1:8080"},
		{"0.0.0.0", "0.0.0.0:8080"},
		{"::1", "[::1]:8080"},
	} {
		if got := (settings{host: c.host, port: "8080"}).address(); got != c.want {
			t.Errorf("host %q: got %s, want %s", c.host, got, c.want)
		}
	}
}

// TestHTTPFrontDoor is about requests that a sidecar never makes.
func TestHTTPFrontDoor(t *testing.T) {
	t.Parallel()
	h := &httpHandler{f: Func(func(_ context.Context, e event.Event) (*event.Event, error) {
		if e.ID() == "late" {
			return nil, Retry(1500 * time.Millisecond)
		}
		return &e, nil
	})}
	structured := `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":1}}`
	for _, c := range []struct {
		name, method, contentType, body string
		status                          int
		says                            string
	}{
		{"get", "GET", "", "", 405, "POST a CloudEvent"},
		{"no event", "POST", "application/json", "{}", 415, "no CloudEvent"},
		{"broken event", "POST", "application/cloudevents+json", `{"specversion":"1.0"}`, 400, "id"},
		{"batch", "POST", "application/cloudevents-batch+json", "[" + structured + "]", 200, `{"results":[{"id":"1","source":"/s","outcome":"done","reply":{"specversion"`},
		{"empty batch", "POST", "application/cloudevents-batch+json", "[]", 400, "no event"},
		{"structured", "POST", "application/cloudevents+json", structured, 200, `{"n":1}`},
		{
			"retry", "POST", "application/cloudevents+json", strings.Replace(structured, `"1",`, `"late",`, 1), 503,
			"retry after 1.5s",
		},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, "/", strings.NewReader(c.body))
		if c.contentType != "" {
			r.Header.Set("Content-Type", c.contentType)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: got %d %q, want %d and %q", c.name, w.Code, w.Body, c.status, c.says)
		}
		if got := w.Header().Get("Retry-After"); w.Code == http.StatusServiceUnavailable && got != "2" {
			t.Errorf("%s: Retry-After: got %q, want whole seconds, no less than asked for", c.name, got)
		}
	}
}

func TestHTTPBodyLimit(t *testing.T) {
	t.Parallel()
	h := &httpHandler{}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/", io.LimitReader(zeros{}, maxBody+1))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Fatalf("got %d, want 413", w.Code)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

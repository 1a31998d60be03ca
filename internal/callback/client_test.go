package callback

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// receiver is an HTTPS server on loopback, and a client for which that is allowed.
func receiver(t *testing.T, h http.HandlerFunc) (*Client, Message) {
	t.Helper()
	srv := httptest.NewTLSServer(h)
	t.Cleanup(srv.Close)
	trusted := srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	c := newClient(func(netip.Addr) error { return nil }, trusted)
	t.Cleanup(c.Close)
	return c, messageTo(t, srv.URL+"/in?secret=hunter2")
}

func messageTo(t *testing.T, address string) Message {
	t.Helper()
	u, err := Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return Message{To: u, Header: http.Header{"Webhook-Id": {"a"}, "Content-Type": {"application/json"}}, Body: []byte(`{"a":1}`)}
}

// TestWhatAReceiverSays decides what follows.
func TestWhatAReceiverSays(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat)
	for name, c := range map[string]struct {
		status     int
		retryAfter string
		want       Verdict
		min, max   time.Duration
	}{
		"taken": {200, "", Delivered, 0, 0}, "taken, in silence": {204, "9", Delivered, 0, 0}, "for ever gone": {410, "9", Gone, 0, 0},
		"not found": {404, "", Again, 0, 0}, "redirect": {302, "", Again, 0, 0}, "broken": {500, "soon", Again, 0, 0},
		"busy": {503, "7", Again, 7 * time.Second, 7 * time.Second}, "too often": {429, soon, Again, 9 * time.Minute, 10 * time.Minute},
		"for years": {503, "99999999", Again, time.Hour, time.Hour}, "back in time": {503, "-5", Again, 0, 0},
		"long ago": {503, "Mon, 02 Jan 2006 15:04:05 GMT", Again, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got atomic.Int64
			client, m := receiver(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method == http.MethodPost && string(body) == `{"a":1}` && r.Header.Get("Webhook-Id") == "a" && r.URL.RawQuery == "secret=hunter2" {
					got.Add(1)
				}
				if c.retryAfter != "" {
					w.Header().Set("Retry-After", c.retryAfter)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
			})
			a, err := client.Send(t.Context(), m)
			if err != nil || a.Verdict != c.want || a.Status != c.status || a.RetryAfter < c.min || a.RetryAfter > c.max || got.Load() != 1 {
				t.Errorf("%+v, %v after %d requests, want %+v after one", a, err, got.Load(), c)
			}
		})
	}
}

// TestNothingElseIsReached: a client as programs have it connects to nothing on this machine, by whatever name, and asks no proxy.
func TestNothingElseIsReached(t *testing.T) {
	var asked atomic.Int64
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer srv.Close()
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, strings.Replace(srv.URL, "https", "http", 1))
	}
	c := NewClient()
	defer c.Close()
	c.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // nothing must get that far
	port := srv.URL[strings.LastIndexByte(srv.URL, ':'):]
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"} {
		_, err := c.Send(t.Context(), messageTo(t, "https://"+host+port+"/x?secret=hunter2"))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", host, err)
		}
		if seen := host == "127.0.0.1" || host == "localhost"; seen && !errors.Is(err, errNotPublic) {
			t.Errorf("%s: %v, want %v", host, err, errNotPublic)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests have come through", n)
	}
}

// TestReceiversThatMisbehave cost no more than their time and a little memory.
func TestReceiversThatMisbehave(t *testing.T) {
	t.Parallel()
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		entered := make(chan struct{})
		c, m := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // it is noticed then that the client goes
			close(entered)
			<-r.Context().Done()
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-entered; cancel() }()
		if _, err := c.Send(ctx, m); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	})
	t.Run("without end", func(t *testing.T) {
		t.Parallel()
		c, m := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
		})
		if a, err := c.Send(t.Context(), m); err != nil || a.Verdict != Delivered {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("huge header", func(t *testing.T) {
		t.Parallel()
		c, m := receiver(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 64<<10)) })
		if a, err := c.Send(t.Context(), m); err == nil {
			t.Errorf("%+v", a)
		}
	})
	t.Run("not trusted", func(t *testing.T) {
		t.Parallel()
		c, m := receiver(t, func(http.ResponseWriter, *http.Request) {})
		c.http.Transport.(*http.Transport).TLSClientConfig = nil
		if a, err := c.Send(t.Context(), m); err == nil {
			t.Errorf("%+v", a)
		}
	})
}

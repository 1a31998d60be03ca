package registry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/pelton-dev/pelton/internal/image"
	ours "github.com/pelton-dev/pelton/internal/image/registry"
)

// TestThereAndBack pushes for two platforms and pulls each, by tag and by digest.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	s, c := start(t, nil), client(login{})
	name := s.host + "/shop/hello:1"
	r := release(t, name, "hello", amd64, arm64)
	if err := r.Push(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	digest, err := r.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, reference := range []string{name, s.host + "/shop/hello@" + digest.String()} {
		for _, p := range []v1.Platform{amd64, arm64} {
			img, err := c.Image(t.Context(), reference, p)
			if err != nil {
				t.Fatal(err)
			}
			if text := files(t, img); !strings.Contains(text, "hello") || !strings.Contains(text, p.String()) {
				t.Errorf("%s for %s has other files: %q", reference, p, text)
			}
		}
	}
	_, err = c.Image(t.Context(), name, s390x)
	missing, ok := errors.AsType[*image.PlatformError](err)
	if !ok || len(missing.Have) != 2 || missing.Want.Architecture != "s390x" {
		t.Errorf("for another platform: %v", err)
	}
}

// TestOneImage pushes without an index; the platform is that of its config.
func TestOneImage(t *testing.T) {
	t.Parallel()
	s, c := start(t, nil), client(login{})
	if err := release(t, s.host+"/a:1", "x", arm64).Push(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Image(t.Context(), s.host+"/a:1", arm64); err != nil {
		t.Error(err)
	}
	if _, err := c.Image(t.Context(), s.host+"/a:1", amd64); err == nil || !strings.Contains(err.Error(), "only for linux/arm64") {
		t.Errorf("for another platform: %v", err)
	}
}

// TestNothingIsSentTwice pushes again, and then an image on top of one that is there already.
func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	s, c := start(t, nil), client(login{})
	for range 2 {
		if err := release(t, s.host+"/a:1", "x", amd64).Push(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if sent := s.requests("PATCH"); len(sent) != 2 {
		t.Errorf("a layer and a config were sent as %d blobs: %v", len(sent), sent)
	}
	base, err := c.Image(t.Context(), s.host+"/a:1", amd64)
	if err != nil {
		t.Fatal(err)
	}
	img, err := image.Build(image.Spec{Name: s.host + "/a:2", Base: base, Files: []image.File{{Path: "/y", Data: []byte("y")}}})
	if err != nil {
		t.Fatal(err)
	}
	top, err := image.Join(img)
	if err != nil {
		t.Fatal(err)
	}
	if err := top.Push(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if sent := s.requests("PATCH"); len(sent) != 4 {
		t.Errorf("the base was sent again: %v", sent)
	}
	again, err := c.Image(t.Context(), s.host+"/a:2", amd64)
	if err != nil {
		t.Fatal(err)
	}
	if text := files(t, again); !strings.Contains(text, "linux/amd64") {
		t.Errorf("the base's files are gone: %q", text)
	}
}

// TestTagComesLast: until all is there, nobody can pull half of it.
func TestTagComesLast(t *testing.T) {
	t.Parallel()
	s, c := start(t, nil), client(login{})
	if err := release(t, s.host+"/a:1", "x", amd64, arm64).Push(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	puts := s.requests("PUT")
	tagged := func(line string) bool { return line == "PUT /v2/a/manifests/1" }
	if i := slices.IndexFunc(puts, tagged); i != len(puts)-1 {
		t.Errorf("the tag came as number %d of %d: %v", i+1, len(puts), puts)
	}
}

// TestPassingErrorsAreTriedAgain answers everything with an error at first.
func TestPassingErrorsAreTriedAgain(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	failed := map[string]bool{}
	s := start(t, func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		key := r.Method + " " + kindOf(r.URL.Path)
		if failed[key] {
			return false
		}
		failed[key] = true
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	c := client(login{})
	if err := release(t, s.host+"/a:1", "x", amd64).Push(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	img, err := c.Image(t.Context(), s.host+"/a:1", amd64)
	if err != nil {
		t.Fatal(err)
	}
	if text := files(t, img); !strings.Contains(text, "x") || len(failed) < 8 {
		t.Errorf("%v failed, content %q", failed, text)
	}
}

// kindOf is what a path of the protocol leads to.
func kindOf(path string) string {
	for _, kind := range []string{"blobs", "manifests"} {
		if strings.Contains(path, "/"+kind+"/") {
			return kind
		}
	}
	return "ping"
}

// TestLastingErrorsEnd tries four times and not for ever.
func TestLastingErrorsEnd(t *testing.T) {
	t.Parallel()
	s := start(t, func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	})
	_, err := client(login{}).Image(t.Context(), s.host+"/a:1", amd64)
	if e, ok := errors.AsType[*ours.Error](err); !ok || e.Status != http.StatusBadGateway {
		t.Errorf("want what the registry has said: %v", err)
	}
	if tries := s.requests("GET"); len(tries) != 4 {
		t.Errorf("%d tries", len(tries))
	}
}

// TestEndsWithItsContext asks a registry that has no time for us.
func TestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := start(t, func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusTooManyRequests)
		cancel()
		return true
	})
	if _, err := client(login{}).Image(ctx, s.host+"/a:1", amd64); !errors.Is(err, context.Canceled) {
		t.Errorf("want its context's error: %v", err)
	}
}

// TestWhatIsNotThere names the registry and the reference.
func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s, c := start(t, nil), client(login{})
	_, err := c.Image(t.Context(), s.host+"/gone:1", amd64)
	if e, ok := errors.AsType[*ours.Error](err); !ok || e.Status != http.StatusNotFound || !strings.Contains(err.Error(), s.host) {
		t.Errorf("an image that is not there: %v", err)
	}
	if _, err := c.Image(t.Context(), "Not A Reference", amd64); err == nil || !strings.Contains(err.Error(), "example.com/base:1") {
		t.Errorf("no reference: %v", err)
	}
}

// TestNobodyIsThere tells what has happened to the connection.
func TestNobodyIsThere(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	host := strings.TrimPrefix(gone.URL, "http://")
	err := release(t, host+"/a:1", "x", amd64).Push(t.Context(), client(login{}))
	e, ok := errors.AsType[*ours.Error](err)
	if !ok || e.Status != 0 || e.Host != host || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%+v, %v", e, err)
	}
	if text := err.Error(); !strings.Contains(text, "writing to a without a login: ") || !strings.Contains(text, "connection refused") {
		t.Errorf("it says %q", text)
	}
}

// TestBaseOfAnotherRegistry loses a layer of the base while an image on it is written: that is not the fault of who is written to.
func TestBaseOfAnotherRegistry(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(http.ResponseWriter){
		"refused":    func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) },
		"broken off": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var closed atomic.Bool
			there, here := start(t, func(w http.ResponseWriter, r *http.Request) bool {
				if closed.Load() && kindOf(r.URL.Path) == "blobs" {
					refuse(w)
					return true
				}
				return false
			}), start(t, nil)
			c := client(login{})
			if err := release(t, there.host+"/a:1", "x", amd64).Push(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			base, err := c.Image(t.Context(), there.host+"/a:1", amd64)
			if err != nil {
				t.Fatal(err)
			}
			img, err := image.Build(image.Spec{Name: here.host + "/b:1", Base: base, Files: []image.File{{Path: "/y", Data: []byte("y")}}})
			if err != nil {
				t.Fatal(err)
			}
			top, err := image.Join(img)
			if err != nil {
				t.Fatal(err)
			}
			closed.Store(true)
			err = top.Push(t.Context(), c)
			if e, ok := errors.AsType[*ours.Error](err); err == nil || ok || !strings.Contains(err.Error(), there.host) {
				t.Errorf("%+v, %v", e, err)
			}
		})
	}
}

// TestDamagedBlobs changes what the registry sends.
func TestDamagedBlobs(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func([]byte) []byte{
		"changed": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"longer":  func(b []byte) []byte { return append(b, 'x') },
		"shorter": func(b []byte) []byte { return b[:len(b)-1] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := start(t, nil)
			c := client(login{})
			if err := release(t, good.host+"/a:1", "x", amd64).Push(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			bad := start(t, func(w http.ResponseWriter, r *http.Request) bool {
				relay(t, w, r, good.host, damage)
				return true
			})
			img, err := c.Image(t.Context(), bad.host+"/a:1", amd64)
			if err == nil {
				_, err = io.ReadAll(mutate.Extract(img))
			}
			if err == nil || !strings.Contains(err.Error(), "verifying") && !strings.Contains(err.Error(), "does not match") {
				t.Errorf("%s blobs: %v", name, err)
			}
		})
	}
}

package registry_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/pelton-dev/pelton/internal/image"
	ours "github.com/pelton-dev/pelton/internal/image/registry"
)

var (
	amd64 = v1.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = v1.Platform{OS: "linux", Architecture: "arm64"}
	s390x = v1.Platform{OS: "linux", Architecture: "s390x"}
)

// server is a real registry on loopback, with something in front of it.
type server struct {
	host string

	mu   sync.Mutex
	seen []string // method and path of each request
}

func (s *server) requests(prefix string) (found []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.seen {
		if strings.HasPrefix(line, prefix) {
			found = append(found, line)
		}
	}
	return found
}

// start runs a registry. before may answer a request itself, and reports whether it has.
func start(t *testing.T, before func(w http.ResponseWriter, r *http.Request) bool) *server {
	t.Helper()
	s := &server{}
	real := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		if before == nil || !before(w, r) {
			real.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	s.host = strings.TrimPrefix(srv.URL, "http://")
	return s
}

// login is the same everywhere; the zero value is nobody's.
type login authn.AuthConfig

func (l login) Resolve(authn.Resource) (authn.Authenticator, error) {
	if l == (login{}) {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(authn.AuthConfig(l)), nil
}

func client(l login) *ours.Client {
	return ours.New(ours.Config{Backoff: time.Millisecond, Logins: l})
}

// release makes an image for each platform.
func release(t *testing.T, name, content string, platforms ...v1.Platform) *image.Release {
	t.Helper()
	var images []*image.Image
	for _, p := range platforms {
		img, err := image.Build(image.Spec{
			Name: name, Platform: p,
			Files: []image.File{{Path: "/what", Data: []byte(content)}, {Path: "/for", Data: []byte(p.String())}},
		})
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, img)
	}
	r, err := image.Join(images...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// files reads all files of an image.
func files(t *testing.T, img v1.Image) string {
	t.Helper()
	content := mutate.Extract(img)
	defer content.Close()
	all, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// relay answers with what another registry answers, blobs damaged.
func relay(t *testing.T, w http.ResponseWriter, r *http.Request, host string, damage func([]byte) []byte) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+host+r.URL.Path, nil)
	if err != nil {
		t.Error(err)
		return
	}
	req.Header = r.Header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	if strings.Contains(r.URL.Path, "/blobs/") {
		body = damage(body)
	}
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(body)
}

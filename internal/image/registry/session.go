package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// session is one repository with the right to use it.
type session struct {
	client  *Client
	repo    name.Repository
	actions string

	mu            sync.Mutex // guards what follows
	authorization string     // the header's value, "" until the registry asks for one
	user          string     // who we are there, for messages
}

// request is what can be sent again.
type request struct {
	method string
	url    string
	header http.Header
	body   func() (io.ReadCloser, error) // nil for none
	size   int64                         // of the body
}

// at is the address of something of the repository, such as blobs/uploads/.
func (s *session) at(path string) string {
	u := url.URL{Scheme: s.repo.Scheme(), Host: s.repo.RegistryStr(), Path: "/v2/" + s.repo.RepositoryStr() + "/" + path}
	return u.String()
}

// do sends a request and returns an answer that has one of the wanted codes. Anything else is an error, an *Error if the
// registry has said it. If the registry asks who we are, it is told, once.
func (s *session) do(ctx context.Context, r request, want ...int) (*http.Response, error) {
	resp, err := s.send(ctx, r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusUnauthorized {
		challenges := resp.Header.Values("WWW-Authenticate")
		refused := refusal(resp, s)
		if err := s.authorize(ctx, challenges, refused); err != nil {
			return nil, err
		}
		if resp, err = s.send(ctx, r); err != nil {
			return nil, err
		}
	}
	if !slices.Contains(want, resp.StatusCode) {
		return nil, refusal(resp, s)
	}
	return resp, nil
}

func (s *session) send(ctx context.Context, r request) (*http.Response, error) {
	var body io.ReadCloser
	if r.body != nil {
		var err error
		if body, err = r.body(); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, nil)
	if err != nil {
		if body != nil {
			_ = body.Close()
		}
		return nil, err
	}
	if body != nil {
		req.Body, req.ContentLength = body, r.size
	}
	for key, values := range r.header {
		req.Header[key] = values
	}
	req.Header.Set("User-Agent", "pelton")
	// A registry may send us elsewhere with an upload: what lets us in here is not for others.
	if authorization := s.authorized(); authorization != "" && req.URL.Host == s.repo.RegistryStr() {
		req.Header.Set("Authorization", authorization)
	}
	return s.client.http.Do(req)
}

func (s *session) authorized() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.authorization
}

// attempts is how often something is tried in all before it has failed.
const attempts = 4

// retry repeats what failed in a way that may pass: no connection, or an error of the server's own.
func (s *session) retry(ctx context.Context, try func() error) error {
	wait := s.client.cfg.Backoff
	for n := 1; ; n++ {
		err := try()
		if err == nil || n == attempts || ctx.Err() != nil || !passing(err) {
			return err
		}
		timer := time.NewTimer(max(wait, asked(err)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w (%w)", ctx.Err(), err)
		case <-timer.C:
		}
		wait *= 2
	}
}

// passing reports whether an error may be gone the next time.
func passing(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout || e.Status >= 500
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return !permanent(e)
	}
	return errors.Is(err, io.ErrUnexpectedEOF)
}

// maxAsked is how long a registry can make us wait for the next try.
const maxAsked = 30 * time.Second

// asked is how long the registry wants us to wait.
func asked(err error) time.Duration {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return 0
	}
	seconds, err := strconv.Atoi(e.retryAfter)
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxAsked)
}

// Package registry reads images from container registries and writes them there, over the distribution protocol.
//
// It does what `docker pull` and `docker push` do to a registry and no more: it keeps no cache, and each call ends with its
// context. Credentials go to the registry that they are for, and to the token service that this registry names. It is
// written by hand, as the client of go-containerregistry would link Docker's command line into every program.
package registry

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// Config says how registries are reached. All of it may be empty.
type Config struct {
	// Credentials finds out how to get in. Default: nobody, with which public images can be read.
	Credentials CredentialsFunc
	// Transport makes the requests. Default: http.DefaultTransport.
	Transport http.RoundTripper
	// Backoff is the wait before the first repetition of what has failed, and doubles from then on. Default: 500ms.
	Backoff time.Duration
}

// CredentialsFunc returns the credentials for a registry, given by its host; the zero value for none.
type CredentialsFunc func(ctx context.Context, host string) (Credentials, error)

// Credentials are a name with a password, or a token to exchange for others.
type Credentials struct {
	User, Password string
	// IdentityToken replaces the password where a registry's login made one.
	IdentityToken string
}

// Client talks to registries. Its methods are safe for concurrent use.
type Client struct {
	cfg  Config
	http *http.Client

	mu       sync.Mutex // guards what follows
	sessions map[string]*session
}

// New makes a client. It connects to nothing before it is asked for something.
func New(cfg Config) *Client {
	cfg.Backoff = cmp.Or(cfg.Backoff, 500*time.Millisecond)
	return &Client{cfg: cfg, http: &http.Client{Transport: cfg.Transport}, sessions: map[string]*session{}}
}

// session returns what is known about getting into a repository, for reading or also for writing.
func (c *Client) session(repo name.Repository, actions string) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := repo.Name() + " " + actions
	if c.sessions[key] == nil {
		c.sessions[key] = &session{client: c, repo: repo, actions: actions}
	}
	return c.sessions[key]
}

// What a session may do with its repository.
const (
	actionPull = "pull"
	actionPush = "pull,push"
)

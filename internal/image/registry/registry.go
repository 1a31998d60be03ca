// Package registry reads images from container registries and writes them there.
//
// The protocol, the logins and what is tried again are go-containerregistry's. Ours are the choice of a platform, which is the
// same for every kind of base, and errors that say who refused what, and as whom. Nothing is cached. A call ends with its
// context, or where it waits for the next try, with that wait: two seconds at most.
package registry

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pelton-dev/pelton/internal/image"
)

// Config says how registries are reached. All of it may be empty.
type Config struct {
	// Logins knows how to get in. Default: what `docker login` and `podman login` have written.
	Logins authn.Keychain
	// Backoff is the wait before the first repetition of what has failed, and doubles from then on. Default: 500ms.
	Backoff time.Duration
}

// Client talks to registries. Its methods are safe for concurrent use.
type Client struct{ cfg Config }

// attempts is how often something is tried in all before it has failed.
const attempts = 4

// New makes a client. It connects to nothing before it is asked for something.
func New(cfg Config) *Client {
	if cfg.Logins == nil {
		cfg.Logins = authn.DefaultKeychain
	}
	cfg.Backoff = cmp.Or(cfg.Backoff, 500*time.Millisecond)
	return &Client{cfg}
}

// Image returns the image that a reference stands for on a platform. Its layers are fetched when they are read, and checked
// against their digests then: ctx must not end before.
func (c *Client) Image(ctx context.Context, reference string, platform v1.Platform) (v1.Image, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, fmt.Errorf("want a reference such as example.com/base:1, or a path that exists: %w", err)
	}
	u, err := c.use(ctx, ref.Context(), false)
	if err != nil {
		return nil, err
	}
	img, err := pull(ref, platform, u.options)
	if err != nil {
		return nil, u.explain(err)
	}
	return img, nil
}

func pull(ref name.Reference, platform v1.Platform, options []remote.Option) (v1.Image, error) {
	found, err := remote.Get(ref, options...)
	if err != nil {
		return nil, err
	}
	if found.MediaType.IsIndex() {
		index, err := found.ImageIndex()
		if err != nil {
			return nil, err
		}
		return image.Choose(index, platform)
	}
	img, err := found.Image()
	if err != nil {
		return nil, err
	}
	return image.Check(img, platform)
}

// Push writes the index with its images, or the one image where there is no index. What the registry has already is not sent
// again. The tag moves last: until then nobody sees anything.
func (c *Client) Push(ctx context.Context, tag name.Tag, images []v1.Image, index v1.ImageIndex) error {
	u, err := c.use(ctx, tag.Context(), true)
	if err != nil {
		return fmt.Errorf("push %s: %w", tag, err)
	}
	var what remote.Taggable = index
	if index == nil {
		what = images[0]
	}
	if err := remote.Push(tag, what, u.options...); err != nil {
		return fmt.Errorf("push %s: %w", tag, u.explain(u.words(tag, err)))
	}
	return nil
}

// use is what one call does with a repository.
type use struct {
	ctx     context.Context
	repo    name.Repository
	push    bool
	login   authn.Authenticator
	user    string // its name, "" if it is nobody's
	options []remote.Option
}

// use finds out who we are at a registry.
func (c *Client) use(ctx context.Context, repo name.Repository, push bool) (*use, error) {
	login, err := authn.Resolve(ctx, c.cfg.Logins, repo)
	if err != nil {
		return nil, fmt.Errorf("find the login for %s: %w", repo.RegistryStr(), err)
	}
	account, err := authn.Authorization(ctx, login)
	if err != nil {
		return nil, fmt.Errorf("find the login for %s: %w", repo.RegistryStr(), err)
	}
	return &use{ctx: ctx, repo: repo, push: push, login: login, user: account.Username, options: []remote.Option{
		remote.WithContext(ctx), remote.WithAuth(login), remote.WithUserAgent("pelton"),
		remote.WithRetryBackoff(remote.Backoff{Duration: c.cfg.Backoff, Factor: 2, Jitter: 0.1, Steps: attempts}),
	}}, nil
}

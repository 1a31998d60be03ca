package access

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
)

// How the keys of an issuer are kept fresh.
const (
	keysCheck    = 5 * time.Second  // between looks whether they are old
	maxKeysAge   = 15 * time.Minute // after which they are fetched again
	minRefresh   = 10 * time.Second // between two tries, whoever wants them
	fetchTimeout = 5 * time.Second
	maxDocument  = 1 << 20
	maxKeys      = 100
	minRSABits   = 2048
)

const discoveryPath = "/.well-known/openid-configuration"

// issuer is one that signs tokens, and the keys that it signs with.
type issuer struct {
	Issuer
	keys   atomic.Pointer[[]jose.JSONWebKey] // nil until they were fetched
	flight singleflight.Group                // one fetch at a time; all wait for it

	mu      sync.Mutex
	tried   time.Time // the last fetch began
	fetched time.Time // what is known was fetched
}

func newIssuer(cfg Issuer) *issuer { return &issuer{Issuer: cfg} }

// due reports whether the keys should be fetched again.
func (i *issuer) due(now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return now.Sub(i.fetched) >= maxKeysAge && now.Sub(i.tried) >= minRefresh
}

// refresh fetches the keys, unless that was tried a moment ago.
func (i *issuer) refresh(ctx context.Context, now time.Time) error {
	_, err, _ := i.flight.Do("", func() (any, error) {
		if !i.begin(now) {
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
		defer cancel()
		keys, err := i.fetch(ctx)
		if err != nil {
			return nil, fmt.Errorf("fetch keys of issuer %s: %w", i.Name, err)
		}
		i.keys.Store(&keys)
		i.mu.Lock()
		i.fetched = now
		i.mu.Unlock()
		return nil, nil
	})
	return err
}

func (i *issuer) begin(now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if now.Sub(i.tried) < minRefresh {
		return false
	}
	i.tried = now
	return true
}

// fetch asks the issuer where its keys are, and for them.
func (i *issuer) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	client, err := i.client()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	var about struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := get(ctx, client, strings.TrimSuffix(i.URL, "/")+discoveryPath, &about); err != nil {
		return nil, err
	}
	if about.Issuer != i.URL {
		return nil, fmt.Errorf("it calls itself %q, want %q: write issuer as it does", clip(about.Issuer), i.URL)
	}
	if err := checkURL(about.Keys); err != nil {
		return nil, fmt.Errorf("jwks_uri: %w", err)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := get(ctx, client, about.Keys, &set); err != nil {
		return nil, err
	}
	if keys := usable(set.Keys); len(keys) > 0 {
		return keys, nil
	}
	return nil, fmt.Errorf("none of its %d keys is one for RS256 (%d bits or more), ES256 or EdDSA", len(set.Keys), minRSABits)
}

// usable leaves out keys of kinds that nobody here takes.
func usable(raw []json.RawMessage) (keys []jose.JSONWebKey) {
	for _, text := range raw[:min(len(raw), maxKeys)] {
		var k jose.JSONWebKey
		if json.Unmarshal(text, &k) != nil || !k.Valid() || !k.IsPublic() || k.Use != "" && k.Use != "sig" {
			continue
		}
		if r, ok := k.Key.(*rsa.PublicKey); ok && r.N.BitLen() < minRSABits {
			continue
		}
		keys = append(keys, k)
	}
	return keys
}

// client is made for each fetch, so that a new ca file counts.
func (i *issuer) client() (*http.Client, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if i.CA != "" {
		text, err := os.ReadFile(i.CA)
		if err != nil {
			return nil, fmt.Errorf("read ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read ca: %s holds no certificate in PEM", i.CA)
		}
	}
	return &http.Client{
		Transport: &http.Transport{TLSClientConfig: cfg, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("it sends elsewhere: write issuer as it calls itself")
		},
	}, nil
}

// get reads a JSON document.
func get(ctx context.Context, client *http.Client, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err // it names the address
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask %s: it answers %s", address, resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxDocument)).Decode(into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", address, err)
	}
	return nil
}

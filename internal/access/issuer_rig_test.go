package access

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// signer is a key of an issuer.
type signer struct {
	id        string
	algorithm jose.SignatureAlgorithm
	private   crypto.Signer
}

// idp is an issuer on loopback.
type idp struct {
	t     *testing.T
	url   string
	asked atomic.Int32 // for its keys

	mu    sync.Mutex
	keys  []any // what its key set holds
	calls string
	down  bool
}

func startIDP(t *testing.T, keys ...*signer) *idp {
	t.Helper()
	i := &idp{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+discoveryPath, func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.down {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.calls, "jwks_uri": i.url + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		i.mu.Lock()
		defer i.mu.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": i.keys})
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	i.url, i.calls = srv.URL, srv.URL
	i.publish(keys...)
	return i
}

// publish replaces the key set. There is always one in it that nobody here knows.
func (i *idp) publish(keys ...*signer) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = []any{map[string]string{"kty": "XYZ", "kid": "strange"}}
	for _, k := range keys {
		i.keys = append(i.keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: string(k.algorithm), Use: "sig"})
	}
}

func (i *idp) stop(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

func (i *idp) policy() string {
	return fmt.Sprintf("issuers: [{name: corp, issuer: %q, audience: pelton, groupsClaim: groups}]\n", i.url)
}

// claims are those of a good token, changed.
func (i *idp) claims(change map[string]any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": i.url, "aud": []string{"other", "pelton"}, "sub": "ann", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(),
		"groups": []any{"admins", 5, "users"},
	}
	for name, v := range change {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	return c
}

func (i *idp) token(k *signer, change map[string]any) string {
	i.t.Helper()
	return sign(i.t, k.algorithm, k.private, k.id, i.claims(change))
}

func sign(t *testing.T, algorithm jose.SignatureAlgorithm, key any, id string, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	if id != "" {
		options = options.WithHeader("kid", id)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func rsaKey(t *testing.T, id string, bits int) *signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{id, jose.RS256, k}
}

func ecKey(t *testing.T, id string) *signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{id, jose.ES256, k}
}

func edKey(t *testing.T, id string) *signer {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{id, jose.EdDSA, k}
}

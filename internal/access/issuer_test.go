package access

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestSignedTokens(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]*signer{"RS256": rsaKey(t, "r", 2048), "ES256": ecKey(t, "e"), "EdDSA": edKey(t, "d")} {
		i := startIDP(t, ecKey(t, "other"), k)
		p := mustParse(t, i.policy())
		c, refused := p.verify(t.Context(), i.token(k, nil), time.Now())
		if refused != nil || c.Name != "corp:ann" || !slices.Equal(c.Groups, []string{"corp:admins", "corp:users"}) {
			t.Errorf("%s: %+v, %+v", name, c, refused)
		}
		withoutID := sign(t, k.algorithm, k.private, "", i.claims(nil))
		if _, refused := p.verify(t.Context(), withoutID, time.Now()); refused != nil {
			t.Errorf("%s without the key's name: %+v", name, refused)
		}
	}
}

// TestForgedTokens are those that look right and are not.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	k, weak := rsaKey(t, "r", 2048), rsaKey(t, "weak", 1024)
	i := startIDP(t, k, weak)
	p := mustParse(t, i.policy())
	good := i.token(k, nil)
	der, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for name, c := range map[string]struct{ token, want string }{
		"another's key":     {sign(t, jose.RS256, rsaKey(t, "r", 2048).private, "r", i.claims(nil)), "No key of its issuer"},
		"weak key":          {i.token(weak, nil), "No key of its issuer"},
		"unknown key":       {sign(t, jose.RS256, k.private, "x", i.claims(nil)), "No key of its issuer"},
		"other claims":      {parts[0] + "." + strings.Split(i.token(k, map[string]any{"sub": "bob"}), ".")[1] + "." + parts[2], "No key of its issuer"},
		"no signature":      {parts[0] + "." + parts[1] + ".", "No key of its issuer"},
		"none":              {none, "neither known nor signed with RS256"},
		"public key as key": {sign(t, jose.HS256, public, "r", i.claims(nil)), "neither known nor signed with RS256"},
		"no token":          {"a.b.c", "neither known nor signed"},
		"issuer":            {i.token(k, map[string]any{"iss": "https://evil.example"}), "Its issuer is not one that is trusted"},
		"no issuer":         {i.token(k, map[string]any{"iss": nil}), "Its issuer is not one"},
		"audience":          {i.token(k, map[string]any{"aud": "other"}), "It is for audience other, want pelton."},
		"no audience":       {i.token(k, map[string]any{"aud": nil}), "want pelton."},
		"expired":           {i.token(k, map[string]any{"exp": at(-2 * time.Minute)}), "It expired at "},
		"never expires":     {i.token(k, map[string]any{"exp": nil}), "It has no exp claim"},
		"not yet":           {i.token(k, map[string]any{"nbf": at(2 * time.Minute)}), "It is valid only from "},
		"from the future":   {i.token(k, map[string]any{"iat": at(2 * time.Minute)}), "which is yet to come"},
		"no name":           {i.token(k, map[string]any{"sub": nil}), "Its claim sub is not a name"},
		"strange name":      {i.token(k, map[string]any{"sub": "a\nb"}), "Its claim sub is not a name"},
		"number as name":    {i.token(k, map[string]any{"sub": 5}), "Its claims cannot be read."},
	} {
		caller, refused := p.verify(t.Context(), c.token, time.Now())
		if refused == nil || refused.Reason != BadToken || !strings.Contains(refused.Detail, c.want) || caller.Name != "" {
			t.Errorf("%s: %+v %+v, want %q", name, caller, refused, c.want)
		}
	}
	for name, change := range map[string]map[string]any{
		"just expired": {"exp": at(-30 * time.Second)}, "soon": {"nbf": at(30 * time.Second)}, "fast clock": {"iat": at(30 * time.Second)},
	} {
		if _, refused := p.verify(t.Context(), i.token(k, change), time.Now()); refused != nil {
			t.Errorf("%s, within the skew of clocks: %+v", name, refused)
		}
	}
}

// TestKeyRotation: a new key counts as soon as a token names it, and made-up names do not reach the issuer.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	old, next := ecKey(t, "old"), ecKey(t, "next")
	i := startIDP(t, old)
	p := mustParse(t, i.policy())
	now := time.Now()
	verify := func(k *signer, now time.Time) *Refusal {
		_, refused := p.verify(t.Context(), i.token(k, nil), now)
		return refused
	}
	if refused := verify(old, now); refused != nil {
		t.Fatal(refused)
	}
	i.publish(next)
	if refused := verify(next, now.Add(time.Second)); refused == nil {
		t.Error("the issuer was asked again after a second")
	}
	if refused := verify(next, now.Add(minRefresh)); refused != nil {
		t.Errorf("the new key: %+v", refused)
	}
	if refused := verify(old, now.Add(minRefresh)); refused == nil {
		t.Error("the old key still counts")
	}
	before := i.asked.Load()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { _ = verify(ecKey(t, "made-up"), now.Add(minRefresh)) })
	}
	wg.Wait()
	if n := i.asked.Load(); n != before {
		t.Errorf("the issuer was asked %d times for made-up keys", n-before)
	}
}

// TestIssuerIsAway: without keys nothing can be said, with old ones everything goes on.
func TestIssuerIsAway(t *testing.T) {
	t.Parallel()
	k := edKey(t, "k")
	i := startIDP(t, k)
	p := mustParse(t, i.policy())
	now := time.Now()
	i.stop(true)
	for range 2 {
		_, refused := p.verify(t.Context(), i.token(k, nil), now)
		if refused == nil || refused.Reason != NoKeys || refused.RetryAfter <= 0 || refused.Err == nil {
			t.Fatalf("while it is away: %+v", refused)
		}
	}
	i.stop(false)
	now = now.Add(minRefresh)
	if _, refused := p.verify(t.Context(), i.token(k, nil), now); refused != nil {
		t.Fatalf("when it is back: %+v", refused)
	}
	i.stop(true)
	later := p.issuers[0]
	if !later.due(now.Add(maxKeysAge)) || later.due(now) {
		t.Error("keys are not fetched again when they are old, or before")
	}
	if err := later.refresh(t.Context(), now.Add(maxKeysAge)); err == nil || !strings.Contains(err.Error(), "fetch keys of issuer corp") {
		t.Errorf("got %v", err)
	}
	if _, refused := p.verify(t.Context(), i.token(k, nil), now); refused != nil {
		t.Errorf("away again, with keys that are known: %+v", refused)
	}
}

// TestIssuerAtFault: what it says of itself is not believed.
func TestIssuerAtFault(t *testing.T) {
	t.Parallel()
	k := edKey(t, "k")
	other := startIDP(t, k)
	other.calls = "https://other.example"
	empty := startIDP(t)
	for want, i := range map[string]*idp{
		`it calls itself "https://other.example"`: other,
		"none of its 1 keys is one for RS256":     empty,
	} {
		p := mustParse(t, i.policy())
		if err := p.issuers[0].refresh(t.Context(), time.Now()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestSameIssuerKeepsItsKeys when a policy is read again.
func TestSameIssuerKeepsItsKeys(t *testing.T) {
	t.Parallel()
	i := startIDP(t, edKey(t, "k"))
	before := mustParse(t, i.policy())
	after, err := parsePolicy([]byte(i.policy()+"rules: [{callers: [a], paths: [/a]}]"), before)
	if err != nil || after.issuers[0] != before.issuers[0] {
		t.Errorf("it is another issuer: %v", err)
	}
	after, err = parsePolicy([]byte(strings.Replace(i.policy(), "pelton", "shop", 1)), before)
	if err != nil || after.issuers[0] == before.issuers[0] {
		t.Errorf("with another audience it is the same: %v", err)
	}
}

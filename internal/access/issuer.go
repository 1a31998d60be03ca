package access

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// clockSkew is how far an issuer's clock may be from ours.
const clockSkew = time.Minute

// algorithms are how tokens may be signed. None of them takes a public key for a secret one.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}

// looksSigned tells a JSON Web Token from a random one.
func looksSigned(token string) bool { return strings.Count(token, ".") == 2 }

// verify knows the caller of a token that one of the issuers has signed.
func (p *policy) verify(ctx context.Context, token string, now time.Time) (Caller, *Refusal) {
	t, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return Caller{}, because(err, "It is neither known nor signed with RS256, ES256 or EdDSA.")
	}
	var claimed jwt.Claims
	if err := t.UnsafeClaimsWithoutVerification(&claimed); err != nil {
		return Caller{}, because(err, "Its claims cannot be read.")
	}
	for _, i := range p.issuers {
		if i.URL == claimed.Issuer {
			return i.verify(ctx, t, now)
		}
	}
	return Caller{}, badToken("Its issuer is not one that is trusted here.")
}

func because(err error, detail string) *Refusal {
	return &Refusal{Reason: BadToken, Detail: detail, Err: err}
}

// verify checks the signature first: nothing that a token says counts before.
func (i *issuer) verify(ctx context.Context, t *jwt.JSONWebToken, now time.Time) (Caller, *Refusal) {
	if len(t.Headers) != 1 {
		return Caller{}, badToken("It has not one signature.")
	}
	head := t.Headers[0]
	keys, err := i.keysFor(ctx, head.KeyID, head.Algorithm, now)
	if err != nil {
		return Caller{}, &Refusal{
			Reason: NoKeys, RetryAfter: minRefresh, Err: err,
			Detail: "The keys of the token's issuer cannot be fetched at the moment, so the token cannot be checked.",
		}
	}
	for _, key := range keys {
		var standard jwt.Claims
		all := map[string]any{}
		if err = t.Claims(key.Key, &standard, &all); err == nil {
			if refused := i.check(standard, now); refused != nil {
				return Caller{}, refused
			}
			return i.callerOf(all)
		}
	}
	return Caller{}, because(cmp.Or(err, errors.New("no key of that name")), "No key of its issuer has signed it.")
}

// check says what is wrong with the claims of a token that the issuer has signed.
func (i *issuer) check(c jwt.Claims, now time.Time) *Refusal {
	switch {
	case c.Expiry == nil:
		return badToken("It has no exp claim: only tokens that expire are taken.")
	case now.Add(-clockSkew).After(c.Expiry.Time()):
		return badToken(fmt.Sprintf("It expired at %s.", stamp(c.Expiry)))
	case c.NotBefore != nil && now.Add(clockSkew).Before(c.NotBefore.Time()):
		return badToken(fmt.Sprintf("It is valid only from %s on.", stamp(c.NotBefore)))
	case c.IssuedAt != nil && now.Add(clockSkew).Before(c.IssuedAt.Time()):
		return badToken(fmt.Sprintf("It was issued at %s, which is yet to come.", stamp(c.IssuedAt)))
	case !c.Audience.Contains(i.Audience):
		return badToken(fmt.Sprintf("It is for audience %s, want %s.", clip(strings.Join(c.Audience, ", ")), i.Audience))
	case c.Issuer != i.URL:
		return badToken("It is of another issuer.")
	}
	return nil
}

func stamp(t *jwt.NumericDate) string { return t.Time().UTC().Format(time.RFC3339) }

// maxName bounds a name that an issuer gives.
const maxName = 256

// callerOf takes the caller's name and groups out of the claims.
func (i *issuer) callerOf(claims map[string]any) (Caller, *Refusal) {
	claim := cmp.Or(i.NameClaim, "sub")
	name, _ := claims[claim].(string)
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, notVisible) {
		return Caller{}, badToken(fmt.Sprintf("Its claim %s is not a name of 1 to %d visible ASCII characters.", claim, maxName))
	}
	c := Caller{Name: i.Name + ":" + name}
	if i.GroupsClaim == "" {
		return c, nil
	}
	switch groups := claims[i.GroupsClaim].(type) {
	case string:
		c.Groups = []string{i.Name + ":" + groups}
	case []any:
		for _, g := range groups {
			if group, ok := g.(string); ok {
				c.Groups = append(c.Groups, i.Name+":"+group)
			}
		}
	}
	return c, nil
}

// keysFor returns the keys that may have signed a token. One that is not known may be new, so the issuer is asked, but not for
// every token that somebody makes up.
func (i *issuer) keysFor(ctx context.Context, id, algorithm string, now time.Time) ([]jose.JSONWebKey, error) {
	if found := i.known(id, algorithm); len(found) > 0 {
		return found, nil
	}
	err := i.refresh(context.WithoutCancel(ctx), now)
	if found := i.known(id, algorithm); len(found) > 0 || i.keys.Load() != nil {
		return found, nil
	}
	return nil, cmp.Or(err, errors.New("they could not be fetched a moment ago"))
}

func (i *issuer) known(id, algorithm string) (found []jose.JSONWebKey) {
	set := i.keys.Load()
	if set == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(*set), func(k jose.JSONWebKey) bool {
		return id != "" && k.KeyID != id || k.Algorithm != "" && k.Algorithm != algorithm
	})
}

package natsauth_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"pgregory.net/rapid"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natsauth"
)

// TestIssueIsPure draws functions and times: the same credentials come from the same, until they are to be renewed, and they
// are what the server's own library takes for good.
func TestIssueIsPure(t *testing.T) {
	t.Parallel()
	o, err := natsauth.NewOperator("test", "a")
	if err != nil {
		t.Fatal(err)
	}
	a := o.Accounts[0]
	rapid.Check(t, func(t *rapid.T) {
		lifetime := time.Duration(rapid.Int64Range(int64(natsauth.MinLifetime), int64(1000*time.Hour)).Draw(t, "lifetime"))
		one, err := natsauth.NewIssuer(a.Signing, a.PublicKey, lifetime)
		if err != nil {
			t.Fatal(err)
		}
		two, err := natsauth.NewIssuer(a.Signing, a.PublicKey, lifetime)
		if err != nil {
			t.Fatal(err)
		}
		fn := newFunction(rapid.StringMatching(`[a-z]{1,50}`).Draw(t, "name"), nil)
		now := time.Unix(rapid.Int64Range(1.5e9, 4e9).Draw(t, "now"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		c := issue(t, one, fn, "uid", now)
		if again := issue(t, two, fn, "uid", now); !bytes.Equal(c.File, again.File) {
			t.Error("two issuers of one key issue different credentials")
		}
		if last := issue(t, one, fn, "uid", c.Renew.Add(-time.Nanosecond)); !bytes.Equal(c.File, last.File) {
			t.Error("credentials change before it is time to renew them")
		}
		next := issue(t, one, fn, "uid", c.Renew)
		if bytes.Equal(c.File, next.File) || c.PublicKey == next.PublicKey || !next.Expires.After(c.Expires) {
			t.Errorf("renewed: %s until %v, before %s until %v", next.PublicKey, next.Expires, c.PublicKey, c.Expires)
		}
		if other := issue(t, one, fn, "another uid", now); other.PublicKey == c.PublicKey {
			t.Error("a function has the key of one that had its name before")
		}
		if left := c.Expires.Sub(now); left < lifetime/2-time.Second || left > lifetime {
			t.Errorf("credentials for %v hold for %v", lifetime, left)
		}
		checkToken(t, c, fn, a, now)
	})
}

func issue(t interface{ Fatal(...any) }, i *natsauth.Issuer, fn *function.Function, uid string, now time.Time) natsauth.Credentials {
	c, err := i.Issue(fn, uid, now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checkToken reads credentials with the library that servers read them with.
func checkToken(t *rapid.T, c natsauth.Credentials, fn *function.Function, a natsauth.Account, now time.Time) {
	token, err := nkeys.ParseDecoratedJWT(c.File)
	if err != nil {
		t.Fatal(err)
	}
	key, err := nkeys.ParseDecoratedUserNKey(c.File)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := jwt.DecodeUserClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	if public, err := key.PublicKey(); err != nil || public != claims.Subject || public != c.PublicKey {
		t.Errorf("key %s (%v) in credentials of %s, said to be of %s", public, err, claims.Subject, c.PublicKey)
	}
	if claims.IssuerAccount != a.PublicKey || claims.Name != fn.Key().String() || claims.Expires != c.Expires.Unix() ||
		claims.IssuedAt > now.Unix() || claims.BearerToken {
		t.Errorf("claims %+v", claims)
	}
	if len(claims.Pub.Allow) == 0 || len(claims.Sub.Allow) != 1 || claims.Resp != nil {
		t.Errorf("permissions %+v", claims.Permissions)
	}
}

// TestFunctionsDiffer has no two functions share a key, although the texts they are told apart by run together.
func TestFunctionsDiffer(t *testing.T) {
	t.Parallel()
	o, err := natsauth.NewOperator("test", "a")
	if err != nil {
		t.Fatal(err)
	}
	i, err := natsauth.NewIssuer(o.Accounts[0].Signing, o.Accounts[0].PublicKey, 0)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{}
	for _, id := range [][3]string{{"a", "bc", ""}, {"ab", "c", ""}, {"a", "b", "c"}, {"a", "b", ""}, {"abc", "d", ""}, {"a", "bcd", ""}} {
		fn := newFunction(id[1], nil)
		fn.Metadata.Namespace = id[0]
		key := issue(t, i, fn, id[2], time.Unix(1.7e9, 0)).PublicKey
		if before, there := keys[key]; there {
			t.Errorf("%v has the key of %s", id, before)
		}
		keys[key] = fmt.Sprint(id)
	}
}

// TestBadKeys names what is wrong, and never repeats a seed.
func TestBadKeys(t *testing.T) {
	t.Parallel()
	o, err := natsauth.NewOperator("test", "a")
	if err != nil {
		t.Fatal(err)
	}
	a := o.Accounts[0]
	for want, try := range map[string]func() error{
		"it is not a seed": func() error { return second(natsauth.NewIssuer([]byte("SAhello"), a.PublicKey, 0)) },
		"something else than an account": func() error {
			return second(natsauth.NewIssuer(o.Seed, a.PublicKey, 0))
		},
		"not the public key of an account": func() error { return second(natsauth.NewIssuer(a.Signing, "UABC", 0)) },
		"less than 2s":                     func() error { return second(natsauth.NewIssuer(a.Signing, a.PublicKey, time.Second)) },
		"other characters":                 func() error { return second(natsauth.NewOperator("x", "../etc")) },
		"account of the servers":           func() error { return second(natsauth.NewOperator("x", "sys")) },
		"given twice":                      func() error { return second(natsauth.NewOperator("x", "a", "a")) },
		"has none of that name":            func() error { return o.Renew("b") },
	} {
		err := try()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
			continue
		}
		for _, seed := range [][]byte{o.Seed, a.Seed, a.Signing, []byte("SAhello")} {
			if strings.Contains(err.Error(), string(seed)) {
				t.Errorf("the error tells a seed: %v", err)
			}
		}
	}
	if _, err := natsauth.NewIssuer(a.Seed, "", 0); err != nil {
		t.Errorf("the account's own seed: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestManyTriggersGetIn lets a function in that has the most triggers and the longest names there may be: its credentials are
// longer than what a server takes by default.
func TestManyTriggersGetIn(t *testing.T) {
	t.Parallel()
	r := start(t, "a")
	fn := newFunction(strings.Repeat("f", 50), func(s *function.Spec) {
		s.Triggers = nil
		for i := range 32 {
			subject := fmt.Sprintf("events.%d", i)
			s.Triggers = append(s.Triggers, function.Trigger{Event: &function.EventTrigger{
				Stream: strings.Repeat("S", 32), Subjects: []string{subject},
			}})
		}
	})
	fn.Metadata.Namespace = strings.Repeat("n", 63)
	c, err := r.issuer("a", 0).Issue(fn, "uid", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r.srv.Conn(t, nats.UserCredentialBytes(c.File))
	t.Logf("%d bytes of credentials", len(c.File))
}

// TestEarlierManifests adds the rights of pods that still run an earlier manifest, and nothing where that has the same.
func TestEarlierManifests(t *testing.T) {
	t.Parallel()
	before := newFunction("work", func(s *function.Spec) { s.Reply = &function.Reply{Subject: "events.old"} })
	now := newFunction("work", func(s *function.Spec) { s.Triggers[0].Event.Subjects = []string{"events.new"} })
	alone, err := natsauth.OfFunction(now, now)
	if err != nil {
		t.Fatal(err)
	}
	both, err := natsauth.OfFunction(now, before, now)
	if err != nil {
		t.Fatal(err)
	}
	old, err := natsauth.OfFunction(before)
	if err != nil {
		t.Fatal(err)
	}
	if len(alone.Publish) != len(old.Publish)-1 { // the reply
		t.Errorf("%d rights of one manifest given twice, want %d", len(alone.Publish), len(old.Publish)-1)
	}
	for _, right := range append(alone.Publish, old.Publish...) {
		if !slices.Contains(both.Publish, right) {
			t.Errorf("%s is not among %v", right, both.Publish)
		}
	}
	if _, err := natsauth.OfFunction(now, newFunction("other", nil)); err == nil {
		t.Error("another function was given the rights, too")
	}
}

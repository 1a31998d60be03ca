package certs_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/pelton-dev/pelton/internal/certs"
	"github.com/pelton-dev/pelton/internal/certs/certstest"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// clock is one that a test sets.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// TestOnlyValidCertificatesAreOpened says of others since when or from when on they are not, and what to do.
func TestOnlyValidCertificatesAreOpened(t *testing.T) {
	t.Parallel()
	ca, old := certstest.NewCA(t), certstest.NewCA(t)
	expired, expiredKey := ca.Sign("was", time.Now().Add(-time.Hour))
	future, futureKey := ca.Sign("comes", time.Now().Add(48*time.Hour)) // valid for the last day of these
	good, goodKey := ca.Sign("is", time.Now().Add(time.Hour))
	for name, test := range map[string]struct {
		cert, key, ca []byte
		ahead         time.Duration
		want          string // "" is good
	}{
		"good":                {good, goodKey, ca.PEM, 0, ""},
		"expired":             {expired, expiredKey, ca.PEM, 0, `tls.crt: certificate of "was" has expired at`},
		"not yet valid":       {future, futureKey, ca.PEM, 0, `tls.crt: certificate of "comes" is valid only from`},
		"expired in chain":    {append(good[:len(good):len(good)], expired...), goodKey, ca.PEM, 0, ""},
		"authority expired":   {future, futureKey, ca.PEM, 30 * time.Hour, `ca.crt: authority "ca" has expired`},
		"authority not valid": {good, goodKey, ca.PEM, -30 * time.Hour, "set the clock right, which says"},
		"one authority is":    {good, goodKey, append(old.PEM[:len(old.PEM):len(old.PEM)], ca.PEM...), 0, ""},
	} {
		dir := t.TempDir()
		certstest.Write(t, dir, map[string][]byte{"tls.crt": test.cert, "tls.key": test.key, "ca.crt": test.ca})
		var c clock
		c.ahead.Store(int64(test.ahead))
		_, err := certs.Open(certs.Config{Dir: dir, Now: c.now})
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestCertificateThatExpiresWhileItServes is told of once, and forgotten when there is a new one.
func TestCertificateThatExpiresWhileItServes(t *testing.T) {
	t.Parallel()
	ca, dir := certstest.NewCA(t), t.TempDir()
	ca.Server(dir, "one")
	var c clock
	core, logs := observer.New(zapcore.InfoLevel)
	r := &rig{t: t, dir: dir, metrics: prometheus.NewRegistry()}
	store, err := certs.Open(certs.Config{
		Dir: dir, Interval: 5 * time.Millisecond, Metrics: r.metrics, Now: c.now, Logger: zap.New(core),
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	go func() { done <- store.Run(t.Context()) }()
	r.awaitBroken(0)
	c.ahead.Store(int64(2 * time.Hour))
	r.awaitBroken(1)
	c.ahead.Store(0)
	r.awaitBroken(0)

	cert, key := ca.Sign("early", time.Now().Add(48*time.Hour))
	certstest.Write(t, dir, map[string][]byte{"tls.crt": cert, "tls.key": key})
	r.awaitBroken(1) // the old one serves
	if told := logs.FilterMessageSnippet("cannot be used").All(); len(told) == 0 {
		t.Error("nobody is told of a certificate that is not valid yet")
	} else if text := fmt.Sprint(told[len(told)-1].ContextMap()["error"]); !strings.Contains(text, `"early" is valid only from`) {
		t.Errorf("it is told in these words: %s", text)
	}
	renewed := certstest.NewCA(t)
	renewed.Server(dir, "two")
	r.awaitBroken(0)
	waittest.Eventually(t, func() error {
		if n := logs.FilterMessageSnippet("have expired").Len(); n != 1 {
			return fmt.Errorf("%d times told of the one that had expired, want 1", n)
		}
		return nil
	})
}

package certs

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// valid says why no connection could be made with the files now. The server's certificate must be valid, and one authority at
// least: others may be on their way in or out. The rest of a chain is not looked at: clients may know another way.
func (f *files) valid(now time.Time) error {
	if chain := parse(f.cert); len(chain) > 0 {
		if err := within(chain[0], now); err != nil {
			return fmt.Errorf("%s: certificate of %q %w", CertFile, chain[0].Subject.CommonName, err)
		}
	}
	var problems []error
	authorities := parse(f.ca)
	for _, c := range authorities {
		if err := within(c, now); err != nil {
			problems = append(problems, fmt.Errorf("%s: authority %q %w", CAFile, c.Subject.CommonName, err))
		}
	}
	if len(problems) == len(authorities) && len(problems) > 0 {
		return errors.Join(problems...)
	}
	return nil
}

// within says that a certificate is not valid now, and what to do.
func within(c *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(c.NotBefore):
		return fmt.Errorf("is valid only from %s on, in %v: wait, or set the clock right, which says %s", stamp(c.NotBefore),
			c.NotBefore.Sub(now).Round(time.Second), stamp(now))
	case now.After(c.NotAfter):
		return fmt.Errorf("has expired at %s, %v ago: renew it, or set the clock right, which says %s", stamp(c.NotAfter),
			now.Sub(c.NotAfter).Round(time.Second), stamp(now))
	default:
		return nil
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// parse returns the certificates that PEM text holds. What is none is told of by others.
func parse(text []byte) (list []*x509.Certificate) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return list
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			list = append(list, c)
		}
	}
}

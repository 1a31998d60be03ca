// Package pki makes the certificates of a cluster that lives on one machine: an authority, and what it signs.
//
// Keys are written with mode 0600 and never leave their directory. It runs nothing.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lifetime is longer than any lab stands; validBefore forgives clocks that are set back a little.
const (
	lifetime    = 10 * 365 * 24 * time.Hour
	validBefore = time.Hour
)

// Authority signs certificates and keeps them in one directory as NAME.crt and NAME.key.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Subject is whom a certificate is for.
type Subject struct {
	// Name is the file's name.
	Name string
	// CommonName and Organization are the user and group that Kubernetes sees.
	CommonName, Organization string
	// Hosts are the names and addresses that a server answers to.
	Hosts []string
}

// NewAuthority makes an authority whose certificate is ca.crt in dir, an existing directory.
func NewAuthority(dir string) (*Authority, error) {
	a := &Authority{dir: dir}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "pelton-lab"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	cert, key, err := a.sign("ca", template)
	if err != nil {
		return nil, err
	}
	a.cert, a.key = cert, key
	return a, nil
}

// Issue makes a certificate that is good for servers and clients.
func (a *Authority) Issue(s Subject) error {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: s.CommonName},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if s.Organization != "" {
		template.Subject.Organization = []string{s.Organization}
	}
	for _, host := range s.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	_, _, err := a.sign(s.Name, template)
	return err
}

// sign completes a certificate, signs it (the authority's by itself) and writes both files.
func (a *Authority) sign(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := newKey(a.dir, name)
	if err != nil {
		return nil, nil, err
	}
	// Serial numbers must differ, and a certificate that comes first in time must already be valid.
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, nil, fmt.Errorf("make certificate %s: %w", name, err)
	}
	template.NotBefore = time.Now().Add(-validBefore)
	template.NotAfter = template.NotBefore.Add(lifetime)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("read certificate %s: %w", name, err)
	}
	return cert, key, write(a.dir, name+".crt", "CERTIFICATE", der, 0o644)
}

// NewKeyPair writes NAME.key and NAME.pub: what service account tokens are signed and checked with.
func NewKeyPair(dir, name string) error {
	key, err := newKey(dir, name)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("encode key %s: %w", name, err)
	}
	return write(dir, name+".pub", "PUBLIC KEY", der, 0o644)
}

func newKey(dir, name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key %s: %w", name, err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key %s: %w", name, err)
	}
	return key, write(dir, name+".key", "EC PRIVATE KEY", der, 0o600)
}

func write(dir, name, kind string, der []byte, mode os.FileMode) error {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, name), text, mode); err != nil {
		return fmt.Errorf("write certificate or key: %w", err)
	}
	return nil
}

package pki_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/lab/pki"
)

func pair(t *testing.T, dir, name string) tls.Certificate {
	t.Helper()
	path := filepath.Join(dir, name)
	cert, err := tls.LoadX509KeyPair(path+".crt", path+".key")
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestMutualTLS lets a server and a client with certificates of one authority talk, and nobody else.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	dir, strange := t.TempDir(), t.TempDir()
	for _, d := range []string{dir, strange} {
		ca, err := pki.NewAuthority(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []pki.Subject{
			{Name: "server", CommonName: "kube-apiserver", Hosts: []string{"localhost", "127.0.0.1"}},
			{Name: "admin", CommonName: "admin", Organization: "system:masters"},
		} {
			if err := ca.Issue(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil || !pool.AppendCertsFromPEM(ca) {
		t.Fatalf("read ca.crt: %v", err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		subject := r.TLS.PeerCertificates[0].Subject
		w.Header().Set("User", subject.CommonName+" of "+strings.Join(subject.Organization, ","))
	}))
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{pair(t, dir, "server")}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	get := func(certs string) (*http.Response, error) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs: pool, Certificates: []tls.Certificate{pair(t, certs, "admin")},
		}}
		t.Cleanup(transport.CloseIdleConnections)
		return (&http.Client{Transport: transport}).Get(server.URL)
	}
	res, err := get(dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if user := res.Header.Get("User"); user != "admin of system:masters" {
		t.Errorf("the server sees %q", user)
	}
	if res, err := get(strange); err == nil {
		_ = res.Body.Close()
		t.Error("a client of another authority was let in")
	}
}

func TestKeyPair(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := pki.NewKeyPair(dir, "sa"); err != nil {
		t.Fatal(err)
	}
	decode := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		return block.Bytes
	}
	private, err := x509.ParseECPrivateKey(decode("sa.key"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(decode("sa.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if !private.PublicKey.Equal(public.(*ecdsa.PublicKey)) {
		t.Error("the keys do not belong together")
	}
	if info, err := os.Stat(filepath.Join(dir, "sa.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v", info.Mode(), err)
	}
}

func TestNowhereToWrite(t *testing.T) {
	t.Parallel()
	gone := filepath.Join(t.TempDir(), "gone")
	if _, err := pki.NewAuthority(gone); err == nil || !strings.Contains(err.Error(), gone) {
		t.Errorf("authority: %v", err)
	}
	if err := pki.NewKeyPair(gone, "sa"); err == nil {
		t.Error("key pair: no error")
	}
}

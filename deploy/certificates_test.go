package deploy

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pelton-dev/pelton/internal/certs"
	"github.com/pelton-dev/pelton/internal/testenv"
)

// TestCertificates makes them as the page says, and has KEDA's side and the scaler's meet, also after they were renewed.
func TestCertificates(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "sh", "openssl")
	dir := t.TempDir()
	makeCertificates(t, dir)
	old := clientOf(t, dir)
	makeCertificates(t, dir)
	store, err := certs.Open(certs.Config{Dir: filepath.Join(dir, "scaler")})
	if err != nil {
		t.Fatal(err)
	}
	for name, client := range map[string]*tls.Config{"renewed": clientOf(t, dir), "old": old} {
		if err := meet(t, store.Server(), client); err != nil {
			t.Errorf("%s certificate: %v", name, err)
		}
	}
	stranger := t.TempDir()
	makeCertificates(t, stranger)
	unknown := clientOf(t, stranger)
	unknown.RootCAs = old.RootCAs
	if err := meet(t, store.Server(), unknown); err == nil {
		t.Error("a certificate of another authority is let in")
	}
}

func makeCertificates(t *testing.T, dir string) {
	t.Helper()
	out, err := exec.Command("sh", "scaler/certificates.sh", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// clientOf is what KEDA makes of its secret.
func clientOf(t *testing.T, dir string) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "keda", "tls.crt"), filepath.Join(dir, "keda", "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "keda", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatalf("no certificate in %s", ca)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: "pelton-scaler.pelton-system.svc", RootCAs: roots,
		Certificates: []tls.Certificate{pair},
	}
}

// meet returns why one of the two does not trust the other.
func meet(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	served := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = conn.(*tls.Conn).HandshakeContext(t.Context())
			_ = conn.Close()
		}
		served <- err
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), client)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return <-served
}

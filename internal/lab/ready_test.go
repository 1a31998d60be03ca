package lab

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestConditions asks a server with our certificates, as the checks ask the cluster's.
func TestConditions(t *testing.T) {
	t.Parallel()
	c := testLab(t)
	if err := c.healthy("https://127.0.0.1:1")(t.Context()); err == nil {
		t.Error("healthy without certificates")
	}
	if err := c.makeCertificates(); err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(c.pki("local.crt"), c.pki("local.key"))
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]string{
		"/ready":   `{"status": {"conditions": [{"type": "Other"}, {"type": "Ready", "status": "True"}]}}`,
		"/waiting": `{"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "NoCNI", "message": "no network"}]}}`,
		"/new":     `{}`,
		"/text":    `ok`,
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.PeerCertificates[0].Subject.CommonName != "admin" || answers[r.URL.Path] == "" {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte("etcd failed"))
		}
		_, _ = w.Write([]byte(answers[r.URL.Path]))
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	defer server.Close()

	if err := c.healthy(server.URL + "/text")(t.Context()); err != nil {
		t.Error(err)
	}
	wantError(t, c.healthy(server.URL+"/nothing")(t.Context()), "500", "etcd failed")
	if err := c.condition(t.Context(), server.URL+"/ready", "Ready"); err != nil {
		t.Error(err)
	}
	wantError(t, c.condition(t.Context(), server.URL+"/waiting", "Ready"), "NoCNI", "no network")
	wantError(t, c.condition(t.Context(), server.URL+"/new", "Ready"), "no condition Ready")
	wantError(t, c.condition(t.Context(), server.URL+"/text", "Ready"), "decode")
	wantError(t, c.condition(t.Context(), server.URL+"/nothing", "Ready"), "500")
	if err := c.containerdReady(t.Context()); err == nil {
		t.Error("containerd is ready, without a socket")
	}
}

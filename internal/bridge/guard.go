package bridge

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// guard decides who may ask, before anything of the request is looked at.
type guard struct {
	hosts    map[string]bool
	anyHost  bool
	origins  *http.CrossOriginProtection
	token    [sha256.Size]byte // of the token, so that comparing tells nothing about its length
	hasToken bool
}

func newGuard(cfg Config) (*guard, error) {
	g := &guard{
		hosts: map[string]bool{"localhost": true, "127.0.0.1": true, "[::1]": true}, origins: http.NewCrossOriginProtection(),
		token: sha256.Sum256([]byte(cfg.Token)), hasToken: cfg.Token != "",
	}
	if host := listenHost(cfg); host != "" {
		g.hosts[host] = true
	}
	for _, host := range cfg.Hosts {
		g.hosts[strings.ToLower(host)] = true
	}
	g.anyHost = g.hosts["*"]
	for _, origin := range cfg.TrustedOrigins {
		if err := g.origins.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("configure bridge: trusted origins: %w", err)
		}
	}
	return g, nil
}

// admit applies what holds for every path. The Host is checked against web pages that point their own name at this
// address; the origin against pages that post here from a user's browser.
func (g *guard) admit(r *http.Request) *problem {
	if p := g.wellFormed(r); p != nil {
		return p
	}
	if !g.anyHost && !g.hosts[hostName(r.Host)] {
		return kindMisdirected.refuse("Web pages could point a name of their own at this address, so the Host header must name " +
			"it by a name that it knows: localhost or 127.0.0.1 for one on this machine.")
	}
	if err := g.origins.Check(r); err != nil {
		return kindCrossOrigin.refuse("A page of another site must not send events from a user's browser. " +
			"Send them from a page of this same origin, or from a program that sends no Origin header.").because(err)
	}
	return nil
}

// wellFormed applies what holds whoever asks.
func (g *guard) wellFormed(r *http.Request) *problem {
	if r.ProtoMajor != 1 {
		return kindVersion.refuse("Use HTTP/1.1.") // net/http hands on the preface of HTTP/2
	}
	if n := countFields(r.Header); n > maxHeaderFields {
		return kindTooManyFields.refuse("The request has %d header fields: at most %d are allowed.", n, maxHeaderFields)
	}
	if r.URL.RawQuery != "" && r.URL.Query().Has("access_token") {
		return kindTokenInQuery.refuse("URLs end up in logs. Send the token in the header: Authorization: Bearer TOKEN.")
	}
	return nil
}

// isToken reports whether a request has the token that Config names.
func (g *guard) isToken(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimLeft(token, " ")))
	return g.hasToken && strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
}

// listenHost is the host the server is told to listen on, unless that means every address.
func listenHost(cfg Config) string {
	address := cfg.Address
	if cfg.Listener != nil {
		address = cfg.Listener.Addr().String()
	}
	host := hostName(address)
	if ip := net.ParseIP(strings.Trim(host, "[]")); ip.IsUnspecified() {
		return ""
	}
	return host
}

// hostName is the lower-case host of a Host header without its port; an IPv6 address keeps its brackets.
func hostName(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return strings.ToLower(hostPort)
	}
	if strings.HasPrefix(hostPort, "[") {
		host = "[" + host + "]"
	}
	return strings.ToLower(host)
}

func countFields(h http.Header) int {
	n := 0
	for _, values := range h {
		n += len(values)
	}
	return n
}

package bridge

import (
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/pelton-dev/pelton/internal/event"
)

// oneHop are the fields that are about one connection, and Content-Length, which whoever sends a body says anew.
var oneHop = [...]string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Content-Length", "Expect",
}

// callerSays are the fields, besides X-Forwarded-*, in which a proxy tells an application who asks and for what. Applications believe them:
// some take their path, or their user's address, from there.
var callerSays = [...]string{"Forwarded", "X-Original-Url", "X-Rewrite-Url", "X-Real-Ip", "True-Client-Ip"}

// forward notes on a message what the request was, for a handler that is a web application.
func (s *Server) forward(m *nats.Msg, r *http.Request) *problem {
	target := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		target += "?" + visible(r.URL.RawQuery)
	}
	h := r.Header.Clone()
	for _, field := range r.Header.Values("Connection") {
		for name := range strings.SplitSeq(field, ",") {
			h.Del(strings.Trim(name, " \t"))
		}
	}
	for _, name := range oneHop {
		h.Del(name)
	}
	h.Del(headerCallback) // it may have a secret, and means something to us alone
	h.Del("Proxy")        // CGI makes HTTP_PROXY of it, and that is where the application's own requests would go
	maps.DeleteFunc(h, func(name string, _ []string) bool { return !event.IsPlainField(name) })
	s.setForwarded(h, r)
	fields := make([]string, 0, len(h)+1)
	fields = append(fields, "Host: "+r.Host)
	for name, values := range h {
		for _, value := range values {
			fields = append(fields, name+": "+value)
		}
	}
	m.Header[event.HeaderRequest] = []string{r.Method + " " + target}
	m.Header[event.HeaderField] = fields
	return checkSize(m, s.maxMessage())
}

// setForwarded says who has asked, and for what. What a caller says of that himself is believed only of a trusted proxy.
func (s *Server) setForwarded(h http.Header, r *http.Request) {
	client := ipText(r)
	if s.cfg.TrustForwarded {
		if before := h.Values("X-Forwarded-For"); len(before) > 0 {
			client = strings.Join(before, ", ") + ", " + client
		}
	} else {
		maps.DeleteFunc(h, func(name string, _ []string) bool {
			return strings.HasPrefix(name, "X-Forwarded-") || slices.Contains(callerSays[:], name)
		})
	}
	h.Set("X-Forwarded-For", client)
	if h.Get("X-Forwarded-Host") == "" {
		h.Set("X-Forwarded-Host", r.Host)
	}
	if h.Get("X-Forwarded-Proto") == "" {
		proto := "http"
		if r.TLS != nil || s.cfg.TLS != nil { // net/http does not see TLS through our connections
			proto = "https"
		}
		h.Set("X-Forwarded-Proto", proto)
	}
}

// ipText is the address a request came from, without its port.
func ipText(r *http.Request) string {
	if c := connOf(r); c != nil {
		return c.ip.String()
	}
	return "unknown"
}

// visible escapes what may not stand in the target of a request as it is, as browsers do.
func visible(query string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c > ' ' && c <= '~' {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + string(hex[c>>4]) + string(hex[c&15]))
		}
	}
	return b.String()
}

// copyFields takes the header of a handler's answer over. What to already has about our own connection stays.
func copyFields(to http.Header, fields []string) {
	for _, field := range fields {
		name, value, ok := strings.Cut(field, ":")
		if !ok || name == "" {
			continue
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		if name != "Content-Length" && slices.Contains(oneHop[:], name) {
			continue
		}
		to.Add(name, strings.Trim(value, " \t"))
	}
}

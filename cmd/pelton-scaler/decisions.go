package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"

	"github.com/pelton-dev/pelton/internal/program"
	"github.com/pelton-dev/pelton/scalers"
)

// audience is who may read decisions: they tell how deep queues are, and HTTP asks nobody for a certificate.
type audience string

const (
	loopback audience = "local" // this pod or machine, and so kubectl port-forward
	everyone audience = "all"
	nobody   audience = "none"
)

func readAudience(v string) (audience, error) {
	switch a := audience(v); a {
	case loopback, everyone, nobody:
		return a, nil
	default:
		return nobody, fmt.Errorf("PELTON_DECISIONS: %q is none of local, all, none", v)
	}
}

// admit lets through who may read.
func (a audience) admit(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		if a == nobody || (a == loopback && !program.IsLoopback(host)) {
			http.Error(w, "decisions tell how deep queues are and are shown on loopback alone, if at all: "+
				"ask through kubectl port-forward, or set PELTON_DECISIONS=all if everybody who reaches this port may read them", http.StatusForbidden)
			return
		}
		next(w, r)
	})
}

// decisionHandlers answers what a scaler last decided, and why, as JSON.
func decisionHandlers(s *scalers.Scaler, a audience) map[string]http.Handler {
	return map[string]http.Handler{
		"GET /decisions": a.admit(func(w http.ResponseWriter, _ *http.Request) { writeAll(w, s.Decisions()) }),
		"GET /decisions/{namespace}/{name}": a.admit(func(w http.ResponseWriter, r *http.Request) {
			namespace, name := r.PathValue("namespace"), r.PathValue("name")
			objects := s.DecisionsOf(namespace, name)
			if len(objects) == 0 {
				http.Error(w, fmt.Sprintf("ScaledObject %s/%s has not asked this scaler lately: KEDA may ask another replica, "+
					"or its status says what is wrong", namespace, name), http.StatusNotFound)
				return
			}
			writeAll(w, objects)
		}),
	}
}

// writeAll writes a list object by object: there may be thousands, and a list of them in memory would double the process.
func writeAll(w http.ResponseWriter, objects []scalers.Object) {
	w.Header().Set("Content-Type", "application/json")
	out := bufio.NewWriter(w)
	separator := "["
	for _, o := range objects {
		data, err := json.Marshal(o)
		if err != nil {
			return // the list stays open: its reader sees that it is not whole
		}
		_, _ = out.WriteString(separator)
		_, _ = out.Write(data)
		separator = ",\n"
	}
	if len(objects) == 0 {
		_, _ = out.WriteString(separator)
	}
	_, _ = out.WriteString("]\n")
	_ = out.Flush() // an error is the reader's connection
}

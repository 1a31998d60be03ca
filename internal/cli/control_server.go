package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/supervisor"
)

// host is what the control server needs of the supervisor.
type host interface {
	List() []supervisor.Status
	Hold(key function.Key, replicas *int) error
	Invoke(ctx context.Context, key function.Key, e *event.Event) (invoke.Outcome, error)
}

// functionView is one function as the other commands see it.
type functionView struct {
	Name      string             `json:"name"`
	Namespace string             `json:"namespace"`
	Protocol  string             `json:"protocol"`
	Command   []string           `json:"command"`
	File      string             `json:"file"`
	Triggers  []string           `json:"triggers"` // in words
	Scale     string             `json:"scale"`    // in words
	Status    supervisor.Status  `json:"status"`
	Manifest  *function.Function `json:"manifest"` // with its defaults

	ChangedAt time.Time `json:"changedAt,omitzero"`  // when it was given its newest version
	ServesOld bool      `json:"servesOld,omitempty"` // a version serves, and a newer one could not be set up
	Refused   *refusal  `json:"refused,omitempty"`   // the manifests on disk are wrong; those of before serve
}

func (v functionView) key() function.Key {
	return function.Key{Namespace: v.Namespace, Name: v.Name}
}

// invocation is the answer of the control server to a call of a handler.
type invocation struct {
	Outcome  string          `json:"outcome"` // done, retry, reject, or error
	Code     string          `json:"code,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	After    time.Duration   `json:"afterNs,omitempty"`
	Duration time.Duration   `json:"durationNs"`
	Reply    json.RawMessage `json:"reply,omitempty"` // a CloudEvent in JSON format
}

// outcomeError is the outcome of a call without an understandable answer.
const outcomeError = "error"

// control answers other pelton commands on a unix socket that only its owner can open. Run ends on its context.
type control struct {
	host     host
	reloads  *reloads
	listener net.Listener
}

// listenControl opens the socket in a folder that only its owner can enter.
func listenControl(dir string, h host, r *reloads) (*control, error) {
	path := filepath.Join(dir, "control.sock")
	_ = os.Remove(path) // of a run that was killed; the folder belongs to this one
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for other commands: %w", err)
	}
	return &control{host: h, reloads: r, listener: l}, nil
}

func (c *control) socket() string { return c.listener.Addr().String() }

func (c *control) run(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /functions", c.list)
	mux.HandleFunc("GET /functions/{namespace}/{name}", c.describe)
	mux.HandleFunc("PUT /functions/{namespace}/{name}/held", c.hold)
	mux.HandleFunc("POST /functions/{namespace}/{name}/invoke", c.invoke)
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }, // calls end when we do
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(c.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve other commands: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if srv.Shutdown(stop) != nil {
		_ = srv.Close()
	}
	<-served
	return nil
}

func (c *control) list(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, listOf(c.views()))
}

func (c *control) views() []functionView {
	views := []functionView{}
	for _, s := range c.host.List() {
		v := viewOf(s)
		c.reloads.fill(&v)
		views = append(views, v)
	}
	slices.SortFunc(views, func(a, b functionView) int { return compareKeys(a.key(), b.key()) })
	return views
}

func (c *control) find(r *http.Request) (functionView, bool) {
	key := function.Key{Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}
	views := c.views()
	i := slices.IndexFunc(views, func(v functionView) bool { return v.key() == key })
	if i < 0 {
		return functionView{}, false
	}
	return views[i], true
}

func (c *control) describe(w http.ResponseWriter, r *http.Request) {
	v, ok := c.find(r)
	if !ok {
		refuse(w, http.StatusNotFound, "no such function")
		return
	}
	answer(w, http.StatusOK, v)
}

// held is what PUT says: how many replicas a function is held at, null for as work demands.
type held struct {
	Replicas *int `json:"replicas"`
}

func (c *control) hold(w http.ResponseWriter, r *http.Request) {
	v, ok := c.find(r)
	if !ok {
		refuse(w, http.StatusNotFound, "no such function")
		return
	}
	var h held
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&h); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if err := c.host.Hold(v.key(), h.Replicas); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	answer(w, http.StatusOK, h)
}

func (c *control) invoke(w http.ResponseWriter, r *http.Request) {
	v, ok := c.find(r)
	if !ok {
		refuse(w, http.StatusNotFound, "no such function")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2*maxInput))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	e, problems := event.ParseJSON(body)
	if len(problems) > 0 {
		refuse(w, http.StatusBadRequest, problems[0].Detail)
		return
	}
	started := time.Now()
	out, err := c.host.Invoke(r.Context(), v.key(), e)
	if out.Reply != nil {
		completeReply(out.Reply, v)
	}
	answer(w, http.StatusOK, invocationOf(out, err, time.Since(started)))
}

// completeReply gives a reply that is bare data the attributes that make it an event.
func completeReply(e *event.Event, v functionView) {
	if e.ID == "" {
		e.ID = uuid.Must(uuid.NewV7()).String()
	}
	if e.Source == "" {
		e.Source = "pelton://function/" + v.Namespace + "/" + v.Name
	}
	if e.Type == "" {
		e.Type = "dev.pelton.reply"
	}
}

func invocationOf(out invoke.Outcome, err error, took time.Duration) invocation {
	if err != nil {
		i := invocation{Outcome: outcomeError, Reason: err.Error(), Duration: took}
		var call *invoke.Error
		if errors.As(err, &call) {
			i.Code, i.Reason = call.Code, call.Err.Error()
		}
		return i
	}
	i := invocation{Outcome: out.Kind.String(), Reason: out.Reason, After: out.After, Duration: took}
	if out.Reply != nil {
		i.Reply = event.AppendJSON(nil, out.Reply)
	}
	return i
}

// viewOf describes a function in the words of its manifest.
func viewOf(s supervisor.Status) functionView {
	v := functionView{Name: s.Key.Name, Namespace: s.Key.Namespace, Status: s, Triggers: []string{}}
	v.ServesOld = s.SetupError != "" && s.Phase != supervisor.PhaseBroken && s.Phase != supervisor.PhaseSetup
	fn := s.Function
	if fn == nil {
		return v
	}
	v.Protocol, v.Command, v.File = string(fn.Spec.Handler.Protocol), fn.Spec.Handler.Command, fn.Origin.File
	v.Triggers, v.Scale = triggersText(fn), scaleText(fn)
	v.Manifest = fn
	return v
}

func triggersText(fn *function.Function) []string {
	out := []string{}
	for _, t := range fn.Spec.Triggers {
		switch {
		case t.Event != nil:
			text := "on " + strings.Join(t.Event.Subjects, ", ")
			if t.Event.Filter != "" {
				text += " if " + oneLine(t.Event.Filter, 60)
			}
			out = append(out, text)
		case t.Schedule != nil:
			out = append(out, strings.TrimSpace(fmt.Sprintf("cron %q %s", t.Schedule.Cron, t.Schedule.TimeZone)))
		case t.HTTP != nil:
			text := strings.Join(t.HTTP.Methods, ",") + " " + t.HTTP.Path
			if t.HTTP.Webhook != nil {
				text += " signed by " + t.HTTP.Webhook.Scheme
			}
			out = append(out, text)
		}
	}
	return out
}

func scaleText(fn *function.Function) string {
	return fmt.Sprintf("%d..%d", fn.Spec.Scale.MinReplicas, fn.Spec.Scale.MaxReplicas)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that left needs no answer
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, struct {
		Message string `json:"message"`
	}{message})
}

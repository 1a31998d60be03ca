package functions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"time"

	peltonevent "github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/batchjson"
)

const (
	maxBody       = 64 << 20 // no NATS server stores more
	maxBatch      = 1000     // events; no manifest asks for more
	headerTimeout = 10 * time.Second
	idleTimeout   = 5 * time.Minute
)

// address is where to listen for HTTP: this machine only, unless the environment says otherwise.
func (s settings) address() string {
	host := s.host
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, s.port)
}

// serveHTTP serves CloudEvents over HTTP until ctx ends and the running requests are answered.
func serveHTTP(ctx context.Context, f program, s settings, network, address string) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, network, address)
	if err != nil {
		return fmt.Errorf("serve events: %w", err)
	}
	server := &http.Server{
		Handler: &httpHandler{f: f, s: s}, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
	}
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() { stopped <- server.Shutdown(context.WithoutCancel(ctx)) })
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve events: %w", err)
	}
	return <-stopped
}

// httpHandler answers one event per request: 200 or 204 is Done, 422 Reject, 503 and 500 Retry.
type httpHandler struct {
	f program
	s settings
}

func (h *httpHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "this is a Pelton function: POST a CloudEvent", http.StatusMethodNotAllowed)
		return
	}
	mode, events, status, err := readEvents(w, r)
	if err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	ctx, cancel := context.WithCancel(r.Context()) // the sidecar closes the connection at the deadline
	defer cancel()
	if mode == peltonevent.ModeBatch {
		h.serveBatch(ctx, w, events)
		return
	}
	done := make(chan invoke.Outcome, 1)
	go h.f.handle(&call{Context: ctx, event: events[0], delivery: h.delivery(r.Header)}, func(o invoke.Outcome) { done <- o })
	writeOutcome(w, <-done)
}

// readEvents reads the events of a request: one, or a batch. With the error comes the status to answer.
func readEvents(w http.ResponseWriter, r *http.Request) (peltonevent.Mode, []*peltonevent.Event, int, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return 0, nil, http.StatusRequestEntityTooLarge, err
	case err != nil:
		return 0, nil, http.StatusBadRequest, err
	}
	mode, events, problems := peltonevent.FromHTTP(r.Header, body, peltonevent.Limits{Batch: maxBatch})
	switch {
	case len(problems) > 0:
		return 0, nil, http.StatusBadRequest, errors.New(problems[0].Detail)
	case mode == peltonevent.ModeNone:
		return 0, nil, http.StatusUnsupportedMediaType, errors.New("the request is no CloudEvent: want ce- headers or " +
			"Content-Type: application/cloudevents+json")
	case len(events) == 0:
		return 0, nil, http.StatusBadRequest, errors.New("the batch holds no event")
	}
	return mode, events, 0, nil
}

// serveBatch answers a batch: the status says what came of it as a whole, or the body what came of each event.
func (h *httpHandler) serveBatch(ctx context.Context, w http.ResponseWriter, events []*peltonevent.Event) {
	of := Delivery{Function: h.s.function, Namespace: h.s.namespace, Replica: h.s.replica}
	b := &batch{Context: ctx, events: events, function: of}
	for _, e := range events {
		of.Attempt, of.Redeliveries = batchjson.Attempt(e)
		b.deliveries = append(b.deliveries, of)
	}
	done := make(chan verdicts, 1)
	go h.f.handleBatch(b, func(v verdicts) { done <- v })
	v := <-done
	if v.all != nil {
		writeOutcome(w, *v.all)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(batchjson.AppendAnswer(nil, events, v.each)) // as in writeReply
}

func (h *httpHandler) delivery(header http.Header) Delivery {
	attempt, _ := strconv.Atoi(header.Get("Pelton-Attempt")) // absent at the first
	redeliveries, _ := strconv.Atoi(header.Get("Pelton-Redeliveries"))
	epoch, _ := strconv.ParseUint(header.Get("Pelton-Epoch"), 10, 64)
	return Delivery{
		Function: h.s.function, Namespace: h.s.namespace, Replica: h.s.replica,
		Attempt: max(1, attempt), Redeliveries: redeliveries, Epoch: epoch,
	}
}

func writeOutcome(w http.ResponseWriter, o invoke.Outcome) {
	switch o.Kind {
	case invoke.Reject:
		http.Error(w, o.Reason, http.StatusUnprocessableEntity)
	case invoke.Retry:
		if o.After > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(o.After.Seconds()))))
		}
		http.Error(w, o.Reason, http.StatusServiceUnavailable)
	case invoke.Done:
		writeReply(w, o.Reply)
	}
}

// writeReply answers with the event in binary mode.
func writeReply(w http.ResponseWriter, e *peltonevent.Event) {
	if e == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	const contentType = "ce-datacontenttype" // over HTTP it is the Content-Type
	header, data := peltonevent.Encode(e)
	for name, values := range header {
		if name != contentType {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
	}
	w.Header()["Content-Type"] = nil // do not guess one
	if e.DataContentType != "" {
		w.Header().Set("Content-Type", e.DataContentType)
	}
	_, _ = w.Write(data) // fails if the sidecar is gone, and then there is nobody to tell
}

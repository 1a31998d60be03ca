package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/supervisor"
)

// What the console tells of our own server's store.
const (
	eventStoreRefuses supervisor.EventKind = "store-refuses"
	eventStoreBack    supervisor.EventKind = "store-back" // Took is since it refused
)

const (
	healthEvery = time.Second
	restartRest = 5 * time.Second // between two restarts

	// probeBytes is how much must fit on the disk again before a restart is worth it.
	probeBytes = 1 << 20
)

// storeHealth watches the store of our server. A stream whose write has failed once takes nothing any more, also when there
// is space again: only a restart of the server opens it. One goroutine uses it.
type storeHealth struct {
	server    *natsServer
	doubted   bool      // the last look was a bad one, and one can be wrong: of a stream that was just being made
	since     time.Time // when the store began to refuse; zero: it does not
	restarted time.Time
}

// check looks once, and restarts the server if that helps. The error is that of a server that did not come back.
func (h *storeHealth) check(ctx context.Context) error {
	refusal, err := h.server.askRefusal(ctx)
	switch {
	case err != nil:
		return err
	case refusal == "" && h.since.IsZero():
		h.doubted = false
		return nil
	case refusal == "": // it has been mended from outside, as by the deletion of the stream
		h.back()
		return nil
	case !h.doubted:
		h.doubted = true
		return nil
	case h.since.IsZero():
		h.since = time.Now()
		h.server.tell(supervisor.Event{Time: h.since, Kind: eventStoreRefuses, Text: refusal +
			"; events are refused and none is lost; this goes on by itself when the disk can be written to again"})
	}
	if err := probeDisk(h.server.dir); err != nil || time.Since(h.restarted) < restartRest {
		return nil //nolint:nilerr // it is what we wait for
	}
	err = h.server.restart()
	h.restarted = time.Now() // opening a large store takes its time
	if err != nil {
		return err
	}
	if refusal, err = h.server.askRefusal(ctx); err == nil && refusal == "" {
		h.back()
	}
	return err
}

func (h *storeHealth) back() {
	now := time.Now()
	took := now.Sub(h.since)
	h.since = time.Time{}
	h.server.tell(supervisor.Event{
		Time: now, Kind: eventStoreBack, Text: "events are accepted again, after " + short(took), Took: took,
	})
}

// probeDisk writes to the folder of the store, as the server would.
func probeDisk(dir string) (err error) {
	file, err := os.CreateTemp(dir, "probe.*")
	if err != nil {
		return fmt.Errorf("probe disk: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	_, err = file.Write(bytes.Repeat([]byte{1}, probeBytes))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("probe disk: %w", err)
	}
	return nil
}

// stuckAfter is how long a server that runs in this process may take to say how it is, on a machine that is busy with other
// things.
const stuckAfter = time.Minute

var errStuck = errors.New("it does not answer")

// askRefusal asks for the refusal. A server that is stuck is an error: it cannot be stopped either, so that only the end of the
// process helps.
func (n *natsServer) askRefusal(ctx context.Context) (string, error) {
	answer := make(chan string, 1)
	go func() { answer <- n.refusal(ctx) }()
	select {
	case refusal := <-answer:
		return refusal, nil
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(stuckAfter):
		return "", fmt.Errorf("ask NATS how its store is: %w after %v: start pelton up again", errStuck, stuckAfter)
	}
}

// health is what the server says of itself when it is asked over HTTP.
type health struct {
	Error  string `json:"error"`
	Errors []struct {
		Stream string `json:"stream"`
		Error  string `json:"error"`
	} `json:"errors"`
}

// refusal says why the store takes nothing, "" if it does.
func (n *natsServer) refusal(ctx context.Context) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "/healthz?details=true", nil)
	if err != nil {
		return ""
	}
	answer := &healthAnswer{header: http.Header{}}
	n.current().HandleHealthz(answer, request)
	var h health
	if err := json.Unmarshal(answer.body.Bytes(), &h); err != nil {
		n.logger.Warn("cannot read what the server says of its health", zap.Error(err))
		return ""
	}
	for _, e := range h.Errors {
		if e.Stream == "" || n.serves(e.Stream) { // one that it could not open is not one that refuses
			return strings.TrimPrefix(e.Stream+": ", ": ") + causeOf(e.Error)
		}
	}
	return h.Error
}

// causeOf is the cause of an error: what is before it names files.
func causeOf(text string) string { return strings.TrimSpace(text[strings.LastIndex(text, ": ")+1:]) }

// serves reports whether the server has opened a stream.
func (n *natsServer) serves(stream string) bool {
	info, err := n.current().Jsz(&server.JSzOptions{Accounts: true, Streams: true})
	if err != nil {
		return false
	}
	return slices.ContainsFunc(info.AccountDetails, func(a *server.AccountDetail) bool {
		return slices.ContainsFunc(a.Streams, func(s server.StreamDetail) bool { return s.Name == stream })
	})
}

// healthAnswer keeps what is written to it.
type healthAnswer struct {
	header http.Header
	body   bytes.Buffer
}

// Header returns the headers.
func (a *healthAnswer) Header() http.Header { return a.header }

// WriteHeader forgets the status: the body says more.
func (a *healthAnswer) WriteHeader(int) {}

// Write keeps the body.
func (a *healthAnswer) Write(p []byte) (int, error) { return a.body.Write(p) }

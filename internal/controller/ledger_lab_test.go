package controller_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

const tellerImage = "pelton.local/ctl-teller:test"

// told is one call of a handler.
type told struct {
	ID      string `json:"id"`
	Replica string `json:"replica"`
	Attempt int    `json:"attempt"`
	Version string `json:"version"`
	Secret  string `json:"secret"` // of the variable and of the file that are given by reference
	File    string `json:"file"`
	at      time.Time
}

// ledger holds what was published, and what the handlers tell.
type ledger struct {
	rig *rig
	url string

	mu        sync.Mutex // guards what follows
	published map[string]time.Time
	calls     map[string][]told
}

// newLedger listens where pods reach it.
func newLedger(r *rig) *ledger {
	r.t.Helper()
	l := &ledger{rig: r, published: map[string]time.Time{}, calls: map[string][]told{}}
	listener, err := net.Listen("tcp", r.lab.BridgeAddress()+":0")
	if err != nil {
		r.t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(l)
	s.Listener = listener
	s.Start()
	r.t.Cleanup(s.Close)
	l.url = s.URL
	return l
}

// teller is the manifest of a function that tells this ledger.
func (l *ledger) teller() string {
	return `
apiVersion: pelton.dev/v1alpha1
kind: Function
metadata: {name: teller, namespace: ` + l.rig.namespace + `}
spec:
  triggers:
    - event: {subjects: [events.a]}
  handler: {protocol: stream, image: "` + tellerImage + `", env: [{name: LEDGER, value: "` + l.url + `"}, {name: VERSION, value: one}]}
  concurrency: 4
  timeout: 30s
  onDelete: discard
  scale: {minReplicas: 0, maxReplicas: 2, cooldown: 5s}
`
}

// ServeHTTP implements http.Handler.
func (l *ledger) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var c told
	if err := json.NewDecoder(req.Body).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.at = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[c.ID] = append(l.calls[c.ID], c)
}

// publish publishes on each subject in turn, so many a second, until stop is called. An id names its subject.
func (l *ledger) publish(perSecond int, subjects ...string) (stop func()) {
	end := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(perSecond))
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			subject := subjects[i%len(subjects)]
			id := fmt.Sprintf("%s-%d", subject, time.Now().UnixNano())
			if _, err := l.rig.js.Publish(l.rig.t.Context(), subject, fmt.Appendf(nil, `{"id":%q,"millis":50,"wanted":%v}`, id, i%2 == 0)); err != nil {
				l.rig.t.Errorf("publish %s: %v", id, err)
				return
			}
			l.mu.Lock()
			l.published[id] = time.Now()
			l.mu.Unlock()
		}
	})
	return func() {
		close(end)
		publishing.Wait()
	}
}

// call publishes one event and waits until it is handled.
func (l *ledger) call(subject, id string) told {
	l.rig.t.Helper()
	if _, err := l.rig.js.Publish(l.rig.t.Context(), subject, fmt.Appendf(nil, `{"id":%q}`, id)); err != nil {
		l.rig.t.Fatal(err)
	}
	return l.awaitCall(id)
}

// awaitCall waits until an event is handled, and returns its first call.
func (l *ledger) awaitCall(id string) (first told) {
	l.rig.t.Helper()
	await(l.rig.t, id+" is handled", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.calls[id]) == 0 {
			return fmt.Errorf("it is not; %d others are", len(l.calls))
		}
		first = l.calls[id][0]
		return nil
	})
	return first
}

// awaitAll waits until everything that was published is handled, and returns what was handled more than once.
func (l *ledger) awaitAll() (again [][]told) {
	l.rig.t.Helper()
	await(l.rig.t, "all are handled", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		var missing []string
		for id := range l.published {
			if len(l.calls[id]) == 0 {
				missing = append(missing, id)
			}
		}
		if len(missing) > 0 {
			slices.Sort(missing)
			return fmt.Errorf("%d of %d are not: %s", len(missing), len(l.published), strings.Join(missing[:min(10, len(missing))], " "))
		}
		return nil
	})
	return l.twice()
}

// twice is what was handled more than once.
func (l *ledger) twice() (again [][]told) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, calls := range l.calls {
		if len(calls) > 1 {
			again = append(again, calls)
		}
	}
	return again
}

// awaitFlow waits until an event on a subject that is published from now on is handled, by a handler of that version.
func (l *ledger) awaitFlow(subject, version string) {
	l.rig.t.Helper()
	since := time.Now()
	await(l.rig.t, "events flow on "+subject+" to version "+version, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		for id, at := range l.published {
			if calls := l.calls[id]; at.After(since) && strings.HasPrefix(id, subject+"-") && len(calls) > 0 && calls[0].Version == version {
				return nil
			}
		}
		return fmt.Errorf("%d published, %d handled", len(l.published), len(l.calls))
	})
}

// longest is the longest time between two calls since a moment.
func (l *ledger) longest(since time.Time) (gap time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var times []time.Time
	for _, calls := range l.calls {
		for _, c := range calls {
			if c.at.After(since) {
				times = append(times, c.at)
			}
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	for i := 1; i < len(times); i++ {
		gap = max(gap, times[i].Sub(times[i-1]))
	}
	return gap
}

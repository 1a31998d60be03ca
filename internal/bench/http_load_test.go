package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestLoadWaitsForNoAnswer holds every answer back until all requests are there: a loop that waited for one would never send the next.
func TestLoadWaitsForNoAnswer(t *testing.T) {
	t.Parallel()
	l := httpLoad{rate: 200, lasts: 100 * time.Millisecond}
	var here atomic.Int64
	all := make(chan struct{})
	run := loadOn(t, l, func(w http.ResponseWriter, r *http.Request) {
		if here.Add(1) == int64(l.requests()) {
			close(all)
		}
		select {
		case <-all:
		case <-t.Context().Done():
		}
		answerTask(w, r)
	})
	if run.share() != 100 || run.waiting != l.requests() {
		t.Errorf("%.0f %% answered, %d waited at once, want 100 %% and %d: %v", run.share(), run.waiting, l.requests(), run.failures())
	}
	if first, last := run.samples[0], run.samples[len(run.samples)-1]; first.took <= last.took {
		t.Errorf("the first request took %v and the last %v, and both were answered with the last: want time from when each was due",
			first.took, last.took)
	}
}

func TestLoadCountsWrongAnswers(t *testing.T) {
	t.Parallel()
	run := loadOn(t, httpLoad{rate: 400, lasts: 100 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost:
			w.WriteHeader(http.StatusServiceUnavailable)
		case http.MethodDelete:
			t.Errorf("%s is deleted, and was never made", r.URL)
		default:
			answerTask(w, r)
		}
	})
	if got, want := fmt.Sprint(run.share(), run.failures()), "75 map[POST was answered with 503:10]"; got != want {
		t.Errorf("share and failures are %s, want %s", got, want)
	}
}

// loadOn runs a load on a handler.
func loadOn(t *testing.T, l httpLoad, handle http.HandlerFunc) httpRun {
	t.Helper()
	srv := httptest.NewServer(handle)
	t.Cleanup(srv.Close)
	run, err := askTasks(t.Context(), strings.TrimPrefix(srv.URL, "http://"), l, func() time.Duration { return 0 })
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// answerTask answers as tasks-flask does.
func answerTask(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		w.Header().Set("Location", "/tasks/1")
		w.WriteHeader(http.StatusCreated)
	case http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	}
}

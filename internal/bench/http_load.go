package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// httpPatience is longer than a caller of tasks-flask may wait: who is given up by us has been forgotten by what we measure.
const httpPatience = 15 * time.Second

// httpLoad is requests at a fixed rate: each is sent at its time, whatever has become of those before it.
type httpLoad struct {
	rate  int // in a second
	lasts time.Duration
}

func (l httpLoad) requests() int { return int(float64(l.rate) * l.lasts.Seconds()) }

func (l httpLoad) String() string { return fmt.Sprintf("%d/s for %v", l.rate, l.lasts) }

// httpSample is one request: when it was due, counted from the beginning, and how long after that its answer was there.
type httpSample struct {
	due, took time.Duration
	failure   string // "" is an answer as it should be
}

// httpRun is what became of a load.
type httpRun struct {
	samples []httpSample
	waiting int     // the most requests that waited for their answers at one time
	cpu     float64 // milliseconds of processor time for each request
}

// tasksClient asks tasks-flask. Its mix is a POST, two GETs and a DELETE of a task that was made.
type tasksClient struct {
	address string
	made    chan string // where tasks are that can be deleted
	pool    tasksPool

	waiting, most atomic.Int64
}

func newTasksClient(address string, requests int) *tasksClient {
	return &tasksClient{address: address, made: make(chan string, requests)}
}

// run sends a load and waits for all answers.
func (c *tasksClient) run(ctx context.Context, l httpLoad) (httpRun, error) {
	samples := make([]httpSample, l.requests())
	var running sync.WaitGroup
	begin := time.Now()
	for i := range samples {
		due := time.Duration(i) * time.Second / time.Duration(l.rate)
		time.Sleep(time.Until(begin.Add(due)))
		if ctx.Err() != nil {
			break
		}
		running.Go(func() {
			err := c.send(ctx, i)
			samples[i] = httpSample{due: due, took: time.Since(begin) - due}
			if err != nil {
				samples[i].failure = err.Error()
			}
		})
	}
	running.Wait()
	return httpRun{samples: samples, waiting: int(c.most.Load())}, ctx.Err()
}

// send sends the request with a number and judges the answer.
func (c *tasksClient) send(ctx context.Context, i int) error {
	now := c.waiting.Add(1)
	defer c.waiting.Add(-1)
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
	switch i % 4 {
	case 0:
		return c.ask(ctx, http.MethodPost, "/tasks", http.StatusCreated)
	case 3:
		select {
		case task := <-c.made:
			return c.ask(ctx, http.MethodDelete, task, http.StatusNoContent)
		default: // none is there yet
		}
	}
	return c.ask(ctx, http.MethodGet, "/tasks", http.StatusOK)
}

func (c *tasksClient) ask(ctx context.Context, method, path string, want int) error {
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(`{"title":"milk"}`)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.pool.do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != want {
		return fmt.Errorf("%s was answered with %d", method, resp.StatusCode)
	}
	if method == http.MethodPost {
		c.made <- resp.Header.Get("Location")
	}
	return nil
}

// share is how many of a hundred requests were answered as they should be.
func (r httpRun) share() float64 {
	return 100 * float64(len(r.good(0))) / float64(len(r.samples))
}

// good are the milliseconds of the requests that were answered as they should be and were due from a time on.
func (r httpRun) good(from time.Duration) []float64 {
	var ms []float64
	for _, s := range r.samples {
		if s.failure == "" && s.due >= from {
			ms = append(ms, milliseconds(s.took))
		}
	}
	return ms
}

// failures counts what went wrong.
func (r httpRun) failures() map[string]int {
	count := map[string]int{}
	for _, s := range r.samples {
		if s.failure != "" {
			count[s.failure]++
		}
	}
	return count
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(max(1, len(xs)))
}

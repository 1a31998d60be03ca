package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	healthyEach  = 4                      // clients who send events, and as many who ask the function
	healthyPause = 100 * time.Millisecond // between the requests of one of them
)

// healthy is clients as they should be: each sends its requests at fixed times, on a connection of its own.
type healthy struct{ address string }

// asked is the milliseconds that their requests took, from when each was due.
type asked struct{ posts, calls []float64 }

// ask sends requests for a while. Every one must be answered as it should be.
func (h healthy) ask(ctx context.Context, lasts time.Duration) (asked, error) {
	g, ctx := errgroup.WithContext(ctx)
	took := make([][]float64, 2*healthyEach)
	begin := time.Now()
	for i := range took {
		g.Go(func() (err error) {
			var pool tasksPool
			defer pool.close()
			send := func() error { return h.send(ctx, &pool, http.MethodGet, "/small", "", http.StatusOK) }
			if i < healthyEach {
				send = func() error {
					return h.send(ctx, &pool, http.MethodPost, "/events/bench.healthy", `{"healthy":true}`, http.StatusAccepted)
				}
			}
			first := begin.Add(time.Duration(i) * healthyPause / time.Duration(len(took)))
			took[i], err = onTime(ctx, first, lasts, send)
			return err
		})
	}
	err := g.Wait()
	var all asked
	for i, ms := range took {
		if i < healthyEach {
			all.posts = append(all.posts, ms...)
		} else {
			all.calls = append(all.calls, ms...)
		}
	}
	return all, err
}

// onTime sends requests one after the other, none before it is due.
func onTime(ctx context.Context, first time.Time, lasts time.Duration, send func() error) (ms []float64, err error) {
	for due := first; due.Sub(first) < lasts && ctx.Err() == nil; due = due.Add(healthyPause) {
		time.Sleep(time.Until(due))
		if err := send(); err != nil {
			return ms, err
		}
		ms = append(ms, milliseconds(time.Since(due)))
	}
	return ms, ctx.Err()
}

func (h healthy) send(ctx context.Context, pool *tasksPool, method, path, body string, want int) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+h.address+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := pool.do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode != want {
		return fmt.Errorf("%s %s was answered with %d", method, path, resp.StatusCode)
	}
	return nil
}

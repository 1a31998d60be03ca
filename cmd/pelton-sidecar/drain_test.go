package main

import (
	"net/http"
	"syscall"
	"testing"
	"time"
)

// TestDrain stops a sidecar with a call running and another event waiting: the call ends and is acknowledged, probes are
// answered meanwhile, and the other event stays for the next sidecar.
func TestDrain(t *testing.T) {
	t.Parallel()
	_, q := newQueue(t)
	h := serveHeld(t, "tcp", "127.0.0.1:0")
	env := []string{
		"NATS_URL=" + q.url, "PELTON_MANIFEST=" + manifest(t), "PELTON_HANDLER_ADDRESS=" + h.address,
		"PELTON_DRAIN_TIMEOUT=1m",
	}
	p := start(t, env...)
	q.publish("one")
	<-h.calls
	p.await("/readyz", http.StatusOK, "ok")
	p.signal(syscall.SIGTERM)
	p.await("/readyz", http.StatusServiceUnavailable, "it drains")
	p.await("/livez", http.StatusOK, "ok")
	p.await("/metrics", http.StatusOK, "pelton_in_flight")
	q.publish("two")
	h.let()
	if exit := p.end(); exit != 0 {
		t.Errorf("exit code %d, want 0", exit)
	}
	info, err := q.info()
	if err != nil || info.AckFloor.Stream != 1 || info.NumPending != 1 || len(h.calls) != 0 {
		t.Errorf("after the drain: %+v, %v, %d calls more; want one acknowledged, one pending", info, err, len(h.calls))
	}
	start(t, env...)
	if r := <-h.calls; r.Header.Get("Ce-Id") != "two" || r.Header.Get("Pelton-Attempt") != "" {
		t.Errorf("the next sidecar called with %v", r.Header)
	}
	q.awaitAcked(2)
}

// TestDrainTimeout stops a sidecar whose call does not end: the call is cut when its time is over, and its event handed
// back.
func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	_, q := newQueue(t)
	h := serveHeld(t, "tcp", "127.0.0.1:0")
	env := []string{
		"NATS_URL=" + q.url, "PELTON_MANIFEST=" + manifest(t), "PELTON_HANDLER_ADDRESS=" + h.address,
		"PELTON_DRAIN_TIMEOUT=300ms",
	}
	p := start(t, env...)
	q.publish("one")
	<-h.calls
	p.signal(syscall.SIGTERM)
	if exit := p.end(); exit != 0 {
		t.Errorf("exit code %d, want 0", exit)
	}
	h.let()
	start(t, env...)
	if r := <-h.calls; r.Header.Get("Pelton-Attempt") != "" || r.Header.Get("Pelton-Redeliveries") != "1" {
		t.Errorf("the next sidecar called with %v, want attempt 1, delivered once before", r.Header)
	}
	q.awaitAcked(1)
}

// TestSecondSignal makes sure that a second signal waits for nothing.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	_, q := newQueue(t)
	h := serveHeld(t, "tcp", "127.0.0.1:0")
	p := start(t, "NATS_URL="+q.url, "PELTON_MANIFEST="+manifest(t), "PELTON_HANDLER_ADDRESS="+h.address,
		"PELTON_DRAIN_TIMEOUT=1h")
	q.publish("one")
	<-h.calls
	p.signal(syscall.SIGTERM)
	p.await("/readyz", http.StatusServiceUnavailable, "it drains")
	started := time.Now()
	p.signal(syscall.SIGTERM)
	if p.end(); p.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v, want the signal", p.cmd.ProcessState)
	}
	t.Logf("it ended after %v", time.Since(started))
}

// TestStopBeforeReady ends a sidecar that waits: for NATS, and for its handler.
func TestStopBeforeReady(t *testing.T) {
	t.Parallel()
	_, q := newQueue(t)
	for reason, url := range map[string]string{
		"NATS has not been connected yet": "nats://127.0.0.1:1", "the handler has not been ready yet": q.url,
	} {
		p := start(t, "NATS_URL="+url, "PELTON_MANIFEST="+manifest(t), "PELTON_HANDLER_ADDRESS=127.0.0.1:1")
		p.await("/readyz", http.StatusServiceUnavailable, reason)
		p.await("/livez", http.StatusOK, "ok")
		p.signal(syscall.SIGTERM)
		if exit := p.end(); exit != 0 {
			t.Errorf("%s: exit code %d, want 0", reason, exit)
		}
	}
}

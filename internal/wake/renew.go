package wake

import (
	"slices"
	"time"
)

const (
	// serversInterval is between two looks at the servers that the client knows. Nobody is asked for that.
	serversInterval = 500 * time.Millisecond

	// renewRest is the shortest time between two renewals of all probes.
	renewRest = 5 * time.Second
)

// servers are those of the cluster that the client has heard of from the one it is connected to. One that was killed has lost
// the probes of the consumers that only it has, and nobody tells who is connected to another: but it vanishes from the
// cluster, and when it is back, it joins. What the client cannot see (a server that is back within a blink, one whose
// address it was configured with, one behind a leaf node) is made good when the probes would have expired.
type servers struct {
	known   []string // at the last look
	renewed time.Time
	joined  bool // one has joined since then
}

// look reports whether it is time to renew all probes.
func (s *servers) look(now []string, at time.Time) bool {
	s.joined = s.joined || slices.ContainsFunc(now, func(url string) bool { return !slices.Contains(s.known, url) })
	s.known = now
	if !s.joined || at.Sub(s.renewed) < renewRest {
		return false
	}
	s.joined, s.renewed = false, at
	return true
}

// lookAtServers renews all probes when a server has joined the cluster.
func (w *Watcher) lookAtServers() {
	now := w.nc.DiscoveredServers()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.servers.look(now, time.Now()) {
		return
	}
	for _, f := range w.functions {
		for _, p := range f.probes {
			if p.number != "" {
				w.park(p) // one that is not lost is one too many until it expires, and nobody listens to it any more
			}
		}
	}
}

package supervisor

import (
	"fmt"
	"net"
	"sync"
)

// ports chooses TCP ports for handlers.
//
// A port is found by listening on port 0 and closing again, so another program can take it before the handler does. Then the
// handler exits, and the next start gets another port. Ports in use by our own replicas are never given twice.
type ports struct {
	mu    sync.Mutex
	taken map[int]bool
}

// portTries bounds the search for a port that no replica of ours has.
const portTries = 20

func (p *ports) take() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range portTries {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, fmt.Errorf("find a free port: %w", err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		if !p.taken[port] {
			p.taken[port] = true
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port: %d tries, each gave one that is in use", portTries)
}

func (p *ports) give(port int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.taken, port)
}

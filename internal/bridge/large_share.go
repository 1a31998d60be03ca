package bridge

import (
	"net/http"
	"sync"

	"github.com/pelton-dev/pelton/internal/access"
	"github.com/pelton-dev/pelton/internal/claim"
)

// largeShare is which part of the places for large bodies one caller may have.
const largeShare = 8

// shares counts the large bodies that each caller sends now. It is ready for use.
type shares struct {
	mu   sync.Mutex
	open map[string]int
}

// take reports whether one more is within most. What is taken must be put back.
func (s *shares) take(sender string, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[sender] >= most {
		return false
	}
	if s.open == nil {
		s.open = map[string]int{}
	}
	s.open[sender]++
	return true
}

func (s *shares) put(sender string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[sender]--; s.open[sender] == 0 {
		delete(s.open, sender)
	}
}

// takeShare takes one of the places for large bodies that one caller may have: who sends slowly holds his own, and not all. Of callers
// without a name each address is one, where addresses are told apart: behind a proxy all have the same.
func (s *Server) takeShare(r *http.Request) (put func(), p *problem) {
	sender := s.sender(r)
	if sender == "" {
		return func() {}, nil
	}
	most := max(1, int(s.bodies.max/2/(2*claim.PieceSize))/largeShare)
	if !s.shares.take(sender, most) {
		return nil, kindNoRoom.refuse("One caller may send %d large bodies at a time. Send it when one of the others is sent.", most).retryLater()
	}
	return func() { s.shares.put(sender) }, nil
}

// sender is who sends a request, "" if that cannot be told.
func (s *Server) sender(r *http.Request) string {
	if c, known := r.Context().Value(callerKey{}).(access.Caller); known && c.Name != access.Anonymous {
		return "caller " + c.Name
	}
	if ip := connOf(r).ip; s.limiter.perIP > 0 && ip.IsValid() && !ip.IsLoopback() {
		return "address " + ip.String()
	}
	return ""
}

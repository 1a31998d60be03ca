package bridge

import (
	"context"
	"sync/atomic"

	"github.com/pelton-dev/pelton/internal/claim"
)

// budget bounds the memory that the bodies of all requests have together, from the first byte until they are stored: however many
// connections there are, and whoever sends.
type budget struct {
	max   int64
	taken atomic.Int64
}

// share is how much there may be in all for a body of this target to grow. The half is kept for callers who have shown who they are: of
// a webhook that is known only once its body is there.
func (b *budget) share(t target) int64 {
	if t.webhook != nil {
		return b.max / 2
	}
	return b.max
}

func (b *budget) take(most, n int64) bool {
	for {
		taken := b.taken.Load()
		if taken+n > most {
			return false
		}
		if b.taken.CompareAndSwap(taken, taken+n) {
			return true
		}
	}
}

// load is what the request of one connection has of the budget. Only its handler uses it.
type load struct {
	budget *budget
	bytes  int64
}

// grow takes what a buffer needs, and gives back what the one before it had, which is copied then.
func (l *load) grow(most, before, size int64) bool {
	if !l.budget.take(most, size) {
		return false
	}
	l.budget.taken.Add(-before)
	l.bytes += size - before
	return true
}

// put gives everything back.
func (l *load) put() {
	l.budget.taken.Add(-l.bytes)
	l.bytes = 0
}

// unload gives back what the body of a request had, once it is stored: who waits for an answer needs it no more.
func unload(ctx context.Context) {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		c.load.put()
	}
}

// noRoomForLarge is noRoom for a body of which two pieces are in memory at a time.
func (s *Server) noRoomForLarge() *problem {
	return kindNoRoom.refuse("At most %d large bodies are taken at a time, and fewer while small ones need the memory. Send it again later.",
		s.bodies.max/2/(2*claim.PieceSize)).retryLater()
}

func (s *Server) noRoom() *problem {
	return kindNoRoom.refuse("The bodies of all requests together may take %d bytes of memory, and they do. Send it again later.",
		s.cfg.MaxBodies).retryLater()
}

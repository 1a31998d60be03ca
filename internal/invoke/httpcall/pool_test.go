package httpcall

import (
	"net"
	"testing"
	"time"
)

// The connections that a burst opened grow old below the one that is in use, and are closed one by one.
func TestOldConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	p := newPool(Config{MaxIdle: 8})
	defer p.close()
	now := time.Now()
	var old []*conn
	for range 2 {
		near, far := net.Pipe()
		defer far.Close()
		old = append(old, &conn{nc: near, idleSince: now.Add(-2 * maxIdleTime)})
		if extra := p.push(old[len(old)-1]); extra != nil {
			t.Fatalf("closed %p among equally old ones", extra)
		}
	}
	used := &conn{idleSince: now}
	for _, want := range []*conn{old[0], old[1], nil} {
		if extra := p.push(used); extra != want {
			t.Errorf("got %p, want %p", extra, want)
		}
		if c := p.pop(); c != used {
			t.Errorf("got %p, want the connection that came back last", c)
		}
	}
}

func TestPollPause(t *testing.T) {
	t.Parallel()
	for waited, want := range map[time.Duration]time.Duration{
		0: minPoll, 40 * time.Millisecond: 1250 * time.Microsecond, time.Second: maxPoll, time.Minute: slowPoll,
	} {
		if got := pollPause(waited); got != want {
			t.Errorf("after %s: pause %s, want %s", waited, got, want)
		}
	}
}

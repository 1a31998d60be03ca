package httpcall_test

import (
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
)

// TestHeaderAndBodyWrittenApart is a handler that many languages' standard servers make: two writes for an answer, and the second waits
// in the kernel until the first is acknowledged. That costs each call 40 ms; without it some take less, however busy the machine is.
func TestHeaderAndBodyWrittenApart(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the system decides when it acknowledges")
	}
	const calls, early, pause = 60, 20, 40 * time.Millisecond
	s := newRawServer(t, "tcp", func(_ int, c *rawConn) {
		if err := c.Conn.(*net.TCPConn).SetNoDelay(false); err != nil {
			t.Error(err)
		}
		for {
			if _, _, err := c.request(); err != nil {
				return
			}
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
			c.say("ok")
		}
	})
	inv := s.invoker(t, httpcall.Config{})
	fastest := time.Hour
	for i := range calls {
		begun := time.Now()
		mustDone(t, inv, "x")
		if i >= early { // of a young connection the kernel acknowledges everything at once
			fastest = min(fastest, time.Since(begun))
		}
	}
	if fastest >= pause {
		t.Errorf("the fastest of %d calls took %v: none was spared the kernel's pause of %v", calls-early, fastest, pause)
	}
}

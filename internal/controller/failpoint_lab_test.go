package controller_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// errKilled is what a controller gets to see of the world once it has been killed.
var errKilled = errors.New("killed by the test")

// failpoint kills a controller at one of its writes. It sits between the controller and both that it writes to, the apiserver
// and NATS: from that write on nothing leaves the controller and nothing reaches it, as if its process had ended there.
type failpoint struct {
	next http.RoundTripper

	mu    sync.Mutex // guards what follows
	count int        // writes since it was armed
	at    int        // the write to be killed at; 0 is none
	after bool       // the write gets through, and its answer does not come back
	list  []string   // what was written since it was armed
	dead  chan struct{}
}

func newFailpoint() *failpoint { return &failpoint{dead: make(chan struct{})} }

// arm has the controller killed at the nth write from now, 0 for not at all.
func (f *failpoint) arm(n int, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count, f.at, f.after, f.list = 0, n, after, nil
}

// written returns what was written since it was armed.
func (f *failpoint) written() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.list...)
}

func (f *failpoint) isDead() bool {
	select {
	case <-f.dead:
		return true
	default:
		return false
	}
}

// begin is called before each write. One of a controller that is killed right here gets through if last is true.
func (f *failpoint) begin(what string) (killed, last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.isDead() {
		return true, false
	}
	f.count++
	f.list = append(f.list, what)
	if f.count != f.at {
		return false, false
	}
	close(f.dead)
	return true, f.after
}

// RoundTrip implements http.RoundTripper. A write that is only tried changes nothing.
func (f *failpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.isDead() {
		return nil, errKilled
	}
	if r.Method == http.MethodGet || r.URL.Query().Has("dryRun") {
		return f.next.RoundTrip(r)
	}
	killed, last := f.begin(r.Method + " " + r.URL.Path)
	if killed && !last {
		return nil, errKilled
	}
	resp, err := f.next.RoundTrip(r)
	if killed && err == nil {
		err = errors.Join(errKilled, resp.Body.Close())
	}
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// Dial implements nats.CustomDialer.
func (f *failpoint) Dial(network, address string) (net.Conn, error) {
	if f.isDead() {
		return nil, errKilled
	}
	c, err := net.DialTimeout(network, address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return &failConn{Conn: c, point: f}, nil
}

// failConn is a connection to NATS. The client writes one request at a time, as the tests have one Function.
type failConn struct {
	net.Conn
	point *failpoint
}

var publishes = regexp.MustCompile(`(?m)^H?PUB (\S+) `)

// Write implements net.Conn.
func (c *failConn) Write(b []byte) (int, error) {
	if c.point.isDead() {
		return 0, errKilled
	}
	for _, found := range publishes.FindAllSubmatch(b, -1) {
		if subject := string(found[1]); changes(subject) {
			if killed, last := c.point.begin("NATS " + subject); killed && !last {
				return 0, errKilled
			}
		}
	}
	return c.Conn.Write(b)
}

// Read implements net.Conn. What comes for a controller that was killed is lost. It is read all the same: a connection that is
// closed with something unread loses what was written last.
func (c *failConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.point.isDead() {
			return n, err
		}
	}
}

// changes reports whether what is published on a subject changes something that is stored.
func changes(subject string) bool {
	verb, api := strings.CutPrefix(subject, "$JS.API.")
	if !api {
		return !strings.HasPrefix(subject, "_INBOX.")
	}
	for _, reads := range []string{
		"INFO", "STREAM.INFO.", "STREAM.NAMES", "STREAM.LIST", "STREAM.MSG.GET.", "DIRECT.GET.", "CONSUMER.INFO.", "CONSUMER.NAMES.",
		"CONSUMER.LIST.", "CONSUMER.MSG.NEXT.",
	} {
		if strings.HasPrefix(verb, reads) {
			return false
		}
	}
	return true
}

// String says where it kills.
func (f *failpoint) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	when := "before"
	if f.after {
		when = "after"
	}
	what := "none"
	if f.at > 0 && f.at <= len(f.list) {
		what = f.list[f.at-1]
	}
	return fmt.Sprintf("%s write %d, %s", when, f.at, what)
}

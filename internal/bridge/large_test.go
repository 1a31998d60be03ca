package bridge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/pelton-dev/pelton/internal/access"
	"github.com/pelton-dev/pelton/internal/claim"
	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke/execcall"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// openLarge serves a function that takes bodies of 4 MiB; what is over 100 kB is kept in pieces.
func openLarge(t *testing.T, mode string, change func(*function.Spec), more ...func(*Config)) *front {
	t.Helper()
	return openFront(t, func(s *function.Spec) {
		s.Triggers[0].HTTP.Mode, s.Triggers[0].HTTP.MaxBody = mode, "4Mi"
		if change != nil {
			change(s)
		}
	}, append([]func(*Config){func(c *Config) { c.MaxBody = 100_000 }}, more...)...)
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// chunked hides the length of a body, so that it is sent in chunks.
type chunked struct{ io.Reader }

func (f *front) send(body io.Reader, header ...string) (answer, error) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodPut, f.url+"/tasks/1?a=b", body)
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	return read(f.t, resp), nil
}

func (f *front) mustSend(body io.Reader, header ...string) answer {
	f.t.Helper()
	a, err := f.send(body, header...)
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

// pieces is how many pieces of bodies are kept.
func (f *front) pieces() uint64 {
	f.t.Helper()
	s, err := f.js.Stream(f.t.Context(), stream.BodiesStream)
	if err != nil {
		f.t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

func (f *front) awaitPieces(n uint64) {
	f.t.Helper()
	waittest.Eventually(f.t, func() error {
		if got := f.pieces(); got != n {
			return fmt.Errorf("%d pieces of bodies are kept, want %d", got, n)
		}
		return nil
	})
}

// described is what an application has been given.
func described(r *http.Request) string {
	sum := sha256.New()
	n, err := io.Copy(sum, r.Body)
	return fmt.Sprintf("%s %s %d of %d %x %v", r.Method, r.RequestURI, n, r.ContentLength, sum.Sum(nil), err)
}

func want(body []byte) string {
	return fmt.Sprintf("PUT /tasks/1?a=b %d of %d %x <nil>", len(body), len(body), sha256.Sum256(body))
}

func TestALargeBodyIsABodyLikeAnyOther(t *testing.T) {
	t.Parallel()
	f := openLarge(t, function.ModeSync, nil)
	var mu sync.Mutex
	var kept []uint64 // pieces, as each call begins
	f.app(func(w http.ResponseWriter, r *http.Request) {
		n := f.pieces()
		mu.Lock()
		kept = append(kept, n)
		mu.Unlock()
		_, _ = io.WriteString(w, described(r))
	})
	for _, c := range []struct {
		size   int
		pieces uint64
	}{{99_999, 0}, {100_000, 0}, {100_001, 1}, {claim.PieceSize, 1}, {claim.PieceSize + 1, 2}, {4 << 20, 16}} {
		body := noise(c.size)
		for name, r := range map[string]io.Reader{"length": bytes.NewReader(body), "chunks": chunked{bytes.NewReader(body)}} {
			a := f.mustSend(r, "Content-Type", "image/png")
			if a.StatusCode != http.StatusOK || string(a.body) != want(body) {
				t.Errorf("%d bytes, %s: %d %s, want %s", c.size, name, a.StatusCode, a.body, want(body))
			}
			f.awaitPieces(0)
			mu.Lock()
			if last := kept[len(kept)-1]; last != c.pieces {
				t.Errorf("%d bytes, %s: kept in %d pieces, want %d", c.size, name, last, c.pieces)
			}
			mu.Unlock()
		}
	}
	f.awaitQueue(0)
	f.awaitBodies(t, 0)
}

// TestALargeBodyIsKeptUntilItsEventIsSettled goes through all that can become of an event.
func TestALargeBodyIsKeptUntilItsEventIsSettled(t *testing.T) {
	t.Parallel()
	f := openLarge(t, function.ModeAsync, func(s *function.Spec) { s.Retry.MaxAttempts = 2 })
	body := noise(3*claim.PieceSize + 5)
	calls := make(chan string)
	answers := make(chan int)
	f.app(func(w http.ResponseWriter, r *http.Request) {
		calls <- described(r)
		w.WriteHeader(<-answers)
	})
	call := func(status int) {
		t.Helper()
		if got := waittest.Receive(t, calls); got != want(body) {
			t.Errorf("the application has %s, want %s", got, want(body))
		}
		if n := f.pieces(); n != 4 {
			t.Errorf("%d pieces are kept during the call, want 4", n)
		}
		answers <- status
	}
	wantAccepted(t, f.mustSend(bytes.NewReader(body)))
	call(503) // it is parked
	call(422) // it is a dead letter
	waittest.Eventually(t, func() error {
		letters, err := deadletter.List(t.Context(), f.js, deadletter.Filter{})
		if err == nil && len(letters) != 1 {
			err = fmt.Errorf("%d dead letters, want 1", len(letters))
		}
		return err
	})
	f.awaitQueue(0)
	if n := f.pieces(); n != 4 {
		t.Errorf("%d pieces are kept with the dead letter, want 4", n)
	}
	if err := deadletter.Replay(t.Context(), f.js, 1); err != nil {
		t.Fatal(err)
	}
	call(200)
	f.awaitPieces(0)
	f.awaitQueue(0)
	f.wantNoLetters()
}

func TestALargeEventIsACloudEvent(t *testing.T) {
	t.Parallel()
	f := openLarge(t, function.ModeSync, func(s *function.Spec) { s.Handler.Protocol = function.ProtocolCloudEvents })
	f.app(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header
		_, _ = fmt.Fprintf(w, "%s|%s|%s|%s", h.Get("Ce-Id"), h.Get("Ce-Type"), h.Get("Content-Type"), described(r))
	})
	body := noise(300_000)
	text := fmt.Sprintf("POST / 300000 of 300000 %x <nil>", sha256.Sum256(body))
	a := f.mustSend(bytes.NewReader(body), "Ce-Specversion", "1.0", "Ce-Id", "7", "Ce-Source", "/s", "Ce-Type", "film.made", "Content-Type", "video/mp4")
	if got := string(a.body); a.StatusCode != 200 || got != "7|film.made|video/mp4|"+text {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	a = f.mustSend(bytes.NewReader(body))
	if got := string(a.body); a.StatusCode != 200 || !strings.HasSuffix(got, "|"+requestType+"|application/octet-stream|"+text) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	f.awaitPieces(0)
	// An event in a format of its own has to be read as a whole.
	structured := `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"` + strings.Repeat("x", 100_000) + `"}`
	wantProblem(t, f.mustSend(strings.NewReader(structured), "Content-Type", "application/cloudevents+json"), 413, "body-too-large")
}

func TestALargeBodyIsTheInputOfAProgram(t *testing.T) {
	t.Parallel()
	f := openLarge(t, function.ModeSync, func(s *function.Spec) { s.Handler.Protocol = function.ProtocolExec })
	inv, err := execcall.New(execcall.Config{Command: []string{"sha256sum"}})
	if err != nil {
		t.Fatal(err)
	}
	f.replica(inv)
	body := noise(1_000_000)
	if a := f.mustSend(bytes.NewReader(body)); a.StatusCode != 200 || string(a.body) != fmt.Sprintf("%x  -\n", sha256.Sum256(body)) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	f.awaitPieces(0)
}

// TestADamagedBodyIsADeadLetter: a web application sees a request that is cut, and a program is killed before its input ends.
func TestADamagedBodyIsADeadLetter(t *testing.T) {
	t.Parallel()
	for _, protocol := range []function.Protocol{function.ProtocolHTTP, function.ProtocolExec} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			f := openLarge(t, function.ModeAsync, func(s *function.Spec) { s.Handler.Protocol = protocol })
			body := noise(3 * claim.PieceSize)
			wantAccepted(t, f.mustSend(bytes.NewReader(body)))
			f.damage(2)
			whole := filepath.Join(t.TempDir(), "whole")
			if protocol == function.ProtocolExec {
				inv, err := execcall.New(execcall.Config{Command: []string{"sh", "-c", `cat >/dev/null; echo >"$0"`, whole}})
				if err != nil {
					t.Fatal(err)
				}
				f.replica(inv)
			} else {
				f.app(func(_ http.ResponseWriter, r *http.Request) {
					if n, err := io.Copy(io.Discard, r.Body); err == nil || n >= r.ContentLength {
						t.Errorf("the application has read %d bytes, %v", n, err)
						_ = os.WriteFile(whole, nil, 0o600)
					}
				})
			}
			letters := f.awaitLetters(1)
			if l := letters[0]; l.Reason != deadletter.ReasonBodyLost || l.Attempts != 1 || !strings.Contains(l.Error, "checksum") {
				t.Errorf("%s after %d attempts: %s", l.Reason, l.Attempts, l.Error)
			}
			if _, err := os.Stat(whole); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the handler has taken the half for the whole: %v", err)
			}
		})
	}
}

// damage writes something else in the place of one piece.
func (f *front) damage(piece int) {
	f.t.Helper()
	s, err := f.js.Stream(f.t.Context(), stream.BodiesStream)
	if err != nil {
		f.t.Fatal(err)
	}
	info, err := s.Info(f.t.Context(), jetstream.WithSubjectFilter("pelton.body.*.*.*."+strconv.Itoa(piece)))
	if err != nil || len(info.State.Subjects) != 1 {
		f.t.Fatalf("%v, %v", info, err)
	}
	for subject := range info.State.Subjects {
		if _, err := f.js.Publish(f.t.Context(), subject, make([]byte, claim.PieceSize)); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *front) awaitLetters(n int) (letters []deadletter.Letter) {
	f.t.Helper()
	waittest.Eventually(f.t, func() (err error) {
		if letters, err = deadletter.List(f.t.Context(), f.js, deadletter.Filter{}); err == nil && len(letters) != n {
			err = fmt.Errorf("%d dead letters, want %d", len(letters), n)
		}
		return err
	})
	return letters
}

// TestALostBodyIsADeadLetterAtOnce: the handler is told nothing of it.
func TestALostBodyIsADeadLetterAtOnce(t *testing.T) {
	t.Parallel()
	f := openLarge(t, function.ModeAsync, nil)
	wantAccepted(t, f.mustSend(bytes.NewReader(noise(300_000))))
	s, err := f.js.Stream(t.Context(), stream.BodiesStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.app(func(http.ResponseWriter, *http.Request) { t.Error("called without a body") })
	if l := f.awaitLetters(1)[0]; l.Reason != deadletter.ReasonBodyLost || l.Attempts != 0 || !strings.Contains(l.Error, "is not there") {
		t.Errorf("%s after %d attempts: %s", l.Reason, l.Attempts, l.Error)
	}
	f.awaitQueue(0)
}

// TestBadLargeBodies: nothing is kept of what is refused, and the next request passes.
func TestBadLargeBodies(t *testing.T) {
	t.Parallel()
	f := openLarge(t, function.ModeAsync, nil)
	most := 4 << 20
	wantProblem(t, f.mustSend(bytes.NewReader(make([]byte, most+1))), 413, "body-too-large")
	a := f.mustSend(chunked{bytes.NewReader(make([]byte, most+1))})
	if p := wantProblem(t, a, 413, "body-too-large"); !strings.Contains(p.Detail, strconv.Itoa(most)) {
		t.Errorf("it does not say what is allowed: %s", p.Detail)
	}
	left := errors.New("the caller has left")
	if a, err := f.send(chunked{io.MultiReader(bytes.NewReader(noise(600_000)), iotest.ErrReader(left))}); err == nil {
		t.Errorf("half a body: %d %s", a.StatusCode, a.body)
	}
	f.awaitPieces(0)
	f.awaitQueue(0)
	f.awaitBodies(t, 0)
	wantAccepted(t, f.mustSend(bytes.NewReader(noise(300_000))))
	f.awaitPieces(2)
}

// TestASlowLargeBody: each piece has its time, and one that does not come in it ends the request.
func TestASlowLargeBody(t *testing.T) {
	t.Parallel()
	f := openLarge(t, function.ModeAsync, nil, func(c *Config) { c.ReadTimeout = 2 * time.Second })
	c := f.dial(t)
	head := wireHead("PUT", "/tasks/1") + "Content-Length: 4000000\r\n\r\n"
	if _, err := io.WriteString(c, head+string(noise(claim.PieceSize+10))); err != nil {
		t.Fatal(err)
	}
	f.awaitPieces(1)
	a, rest := readWire(t, c)
	if p := wantProblem(t, a, 408, "body-timeout"); !strings.Contains(p.Detail, "each 262144 bytes must arrive within 2s") || rest != "" {
		t.Errorf("%s, then %q", p.Detail, rest)
	}
	f.awaitPieces(0)
}

func TestNoRoomForALargeBody(t *testing.T) {
	t.Parallel()
	f := openLarge(t, function.ModeAsync, nil)
	s, err := f.js.Stream(t.Context(), stream.BodiesStream)
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.MaxBytes = 1 << 20
	if _, err := f.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, f.mustSend(bytes.NewReader(noise(2<<20))), 503, "store-full")
	f.awaitPieces(0)
	if err := f.js.DeleteStream(t.Context(), stream.BodiesStream); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, f.mustSend(bytes.NewReader(noise(2<<20))), 503, "store-unavailable")
	f.awaitQueue(0)
}

// TestACallerWhoLeavesWhileHisBodyIsStored: nobody is answered, and nobody is warned: the store is not to blame.
func TestACallerWhoLeavesWhileHisBodyIsStored(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	f := openLarge(t, function.ModeAsync, nil, func(c *Config) { c.Logger, c.StoreTimeout = zap.New(core), time.Minute })
	if err := f.js.DeleteStream(t.Context(), stream.BodiesStream); err != nil {
		t.Fatal(err)
	}
	pieces := make(chan struct{}, 10) // a subscription in place of the stream, which never answers
	nc := f.nats.Conn(t)
	if _, err := nc.Subscribe("pelton.body.>", func(*nats.Msg) { pieces <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, missing := range []int{0, 1000} {
		c := f.dial(t)
		head := wireHead("PUT", "/tasks/1") + fmt.Sprintf("Content-Length: %d\r\n\r\n", claim.PieceSize+missing)
		if _, err := io.WriteString(c, head+string(noise(claim.PieceSize))); err != nil {
			t.Fatal(err)
		}
		<-pieces
		c.Close()
		f.awaitBodies(t, 0)
	}
	for _, l := range logs.All() {
		t.Errorf("%s %v", l.Message, l.ContextMap())
	}
}

// TestLargeBodiesHaveHalfOfTheBudget: they may take long, and the memory for all others stays.
func TestLargeBodiesHaveHalfOfTheBudget(t *testing.T) {
	t.Parallel()
	const one = 2 * claim.PieceSize
	f := openLarge(t, function.ModeAsync, nil, func(c *Config) { c.MaxBodies, c.ReadTimeout = 4*one, time.Minute })
	open := f.fill(t, wireHead("PUT", "/tasks/1"), one, 2*one)
	p := wantProblem(t, f.mustSend(bytes.NewReader(noise(300_000))), 503, "too-many-bodies")
	if !strings.Contains(p.Detail, "At most 2 large bodies") {
		t.Errorf("it does not say which limit: %s", p.Detail)
	}
	wantAccepted(t, f.mustSend(bytes.NewReader(noise(90_000))))
	for _, c := range open {
		c.Close()
	}
	f.awaitBodies(t, 0)
	f.awaitPieces(0)
	wantAccepted(t, f.mustSend(bytes.NewReader(noise(300_000))))
}

// TestOneCallerHasAShareOfThePlaces: who sends slowly does not keep others from sending.
func TestOneCallerHasAShareOfThePlaces(t *testing.T) {
	t.Parallel()
	const one = 2 * claim.PieceSize
	f := openLarge(t, function.ModeAsync, nil, func(c *Config) {
		c.MaxBodies, c.ReadTimeout = 8*one, time.Minute // 4 places, so one for each
		c.Access = gate(t, "shop "+shopToken+"\nmail "+mailToken, "")
	})
	shop, mail := "Bearer "+shopToken, "Bearer "+mailToken
	open := f.fill(t, wireHead("PUT", "/tasks/1")+"Authorization: "+shop+"\r\n", one, one)
	p := wantProblem(t, f.mustSend(bytes.NewReader(noise(300_000)), "Authorization", shop), 503, "too-many-bodies")
	if !strings.Contains(p.Detail, "One caller may send 1") {
		t.Errorf("it does not say what is allowed: %s", p.Detail)
	}
	wantAccepted(t, f.mustSend(bytes.NewReader(noise(300_000)), "Authorization", mail))
	wantAccepted(t, f.mustSend(bytes.NewReader(noise(90_000)), "Authorization", shop))
	for _, c := range open {
		c.Close()
	}
	f.awaitBodies(t, 0)
	wantAccepted(t, f.mustSend(bytes.NewReader(noise(300_000)), "Authorization", shop))
	f.shares.mu.Lock()
	defer f.shares.mu.Unlock()
	if len(f.shares.open) > 0 {
		t.Errorf("shares are still taken: %v", f.shares.open)
	}
}

// TestSendersAreToldApart by their names, else by their addresses, if those are known to be theirs.
func TestSendersAreToldApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		caller, address string
		perIP           int
		want            string
	}{
		{"shop", "192.0.2.1", 64, "caller shop"},
		{access.Anonymous, "192.0.2.1", 64, "address 192.0.2.1"},
		{"", "192.0.2.1", 64, "address 192.0.2.1"},
		{"", "192.0.2.1", -1, ""}, // of a proxy
		{"", "127.0.0.1", 64, ""},
	} {
		s := &Server{limiter: newLimiter(1, c.perIP)}
		ctx := withConn(t.Context(), &conn{ip: netip.MustParseAddr(c.address)})
		if c.caller != "" {
			ctx = context.WithValue(ctx, callerKey{}, access.Caller{Name: c.caller})
		}
		if got := s.sender((&http.Request{}).WithContext(ctx)); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// TestADuplicateHasNoBodyOfItsOwn: the first one's is the event's.
func TestADuplicateHasNoBodyOfItsOwn(t *testing.T) {
	t.Parallel()
	f := openLarge(t, function.ModeAsync, nil)
	for i := range 2 {
		a := wantAccepted(t, f.mustSend(bytes.NewReader(noise(300_000)), "Idempotency-Key", "k"))
		if a.Duplicate != (i == 1) {
			t.Errorf("request %d: %+v", i, a)
		}
		f.awaitPieces(2)
	}
	calls := make(chan string, 2)
	f.app(func(_ http.ResponseWriter, r *http.Request) { calls <- described(r) })
	if got := waittest.Receive(t, calls); got != want(noise(300_000)) {
		t.Error(got)
	}
	f.awaitPieces(0)
	f.awaitQueue(0)
}

// TestACallerLeavesWhileHisLargeEventIsStored: it is stored all the same, so it keeps its body, and what is sent again is a duplicate.
func TestACallerLeavesWhileHisLargeEventIsStored(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{"event": "", "call": "respond-async"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := openLarge(t, function.ModeAsync, nil)
			committing, goOn := make(chan struct{}), make(chan struct{})
			var first sync.Once
			f.work.cfg.Timeout = time.Minute
			f.work.cfg.OnCommit = func(int) { first.Do(func() { close(committing); <-goOn }) }
			ctx, leave := context.WithCancel(t.Context())
			body := noise(300_000)
			req, err := http.NewRequestWithContext(ctx, http.MethodPut, f.url+"/tasks/1?a=b", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Idempotency-Key", "k")
			req.Header.Set("Prefer", header)
			left := make(chan error, 1)
			go func() {
				resp, err := f.client.Do(req)
				if err == nil {
					resp.Body.Close()
				}
				left <- err
			}()
			waittest.Receive(t, committing)
			leave()
			if err := waittest.Receive(t, left); err == nil {
				t.Error("answered before anything was stored")
			}
			f.awaitBodies(t, 0) // nobody works for him any more
			close(goOn)
			f.awaitQueue(1)
			if a := f.mustSend(bytes.NewReader(body), "Idempotency-Key", "k", "Prefer", header); a.StatusCode != http.StatusAccepted {
				t.Fatalf("sent again: %d %s", a.StatusCode, a.body)
			}
			f.awaitPieces(2) // those of the first
			calls := make(chan string, 2)
			f.app(func(_ http.ResponseWriter, r *http.Request) { calls <- described(r) })
			if got := waittest.Receive(t, calls); got != want(body) {
				t.Error(got)
			}
			f.awaitPieces(0)
			f.awaitQueue(0)
			f.wantNoLetters()
		})
	}
}

// TestABodyOfACallIsOnlyForItsTime: when nobody waits any more nobody will read it.
func TestABodyOfACallIsOnlyForItsTime(t *testing.T) {
	t.Parallel()
	f := openLarge(t, function.ModeSync, func(s *function.Spec) { s.Timeout = function.Duration(500 * time.Millisecond) })
	wantProblem(t, f.mustSend(bytes.NewReader(noise(300_000))), 504, "no-answer-in-time") // there is no replica
	f.awaitPieces(0)
	f.awaitQueue(0)

	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, f.url+"/tasks/1", io.MultiReader(bytes.NewReader(noise(300_000)), &hook{leave}))
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := f.client.Do(req); err == nil {
		resp.Body.Close()
		t.Error("a caller who has left was answered")
	}
	s, err := f.js.Stream(t.Context(), stream.BodiesStream)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(t.Context(), 1, jetstream.WithGetMsgSubject("pelton.body.>"))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return // it was not stored
	}
	if err != nil || m.Header.Get("Nats-TTL") == "" {
		t.Errorf("what a caller leaves behind stays: %v, %v", m, err)
	}
}

// hook is the end of a body. It calls something first.
type hook struct{ call func() }

func (h *hook) Read([]byte) (int, error) {
	h.call()
	return 0, io.EOF
}

// TestAClaimIsWrittenByTheBridgeAlone: what a publisher writes into an event of his own is none.
func TestAClaimIsWrittenByTheBridgeAlone(t *testing.T) {
	t.Parallel()
	f := openLarge(t, function.ModeAsync, nil)
	a := wantAccepted(t, f.mustSend(strings.NewReader("small"), event.HeaderBody, "A 1 1 "+strings.Repeat("ab", 32)))
	calls := make(chan string, 1)
	f.app(func(_ http.ResponseWriter, r *http.Request) { calls <- described(r) })
	if got := waittest.Receive(t, calls); got != want([]byte("small")) {
		t.Errorf("%+v: %s", a, got)
	}
}

// TestALargeCallLater: whoever does not wait may ask later, so the body lasts as long as the event does.
func TestALargeCallLater(t *testing.T) {
	t.Parallel()
	f := openLarge(t, function.ModeSync, nil)
	body := noise(300_000)
	send := func() string {
		t.Helper()
		a := f.mustSend(bytes.NewReader(body), "Prefer", "respond-async", "Idempotency-Key", "k")
		if a.StatusCode != http.StatusAccepted {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		return a.Header.Get("Location")
	}
	place := send()
	s, err := f.js.Stream(t.Context(), stream.BodiesStream)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(t.Context(), 1)
	if err != nil || m.Header.Get("Nats-TTL") != "" {
		t.Errorf("%v, header %v", err, m.Header)
	}
	if again := send(); again != place {
		t.Errorf("the same call is at %s and %s", place, again)
	}
	f.awaitPieces(2)
	f.app(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, described(r)) })
	if got := f.awaitState(t, place, "done"); got.Result == nil || got.Result.Body == nil || *got.Result.Body != want(body) {
		t.Errorf("%+v", got)
	}
	f.awaitPieces(0)
	if again := send(); again != place { // it is known what became of it
		t.Errorf("the same call is at %s and %s", place, again)
	}
	f.awaitPieces(0)
	f.awaitQueue(0)
}

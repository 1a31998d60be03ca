package bridge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap/zaptest"

	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/execcall"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
	"github.com/pelton-dev/pelton/internal/sidecar"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// front is a bridge with one function behind it, whose callers wait.
type front struct {
	*bridge
	t  *testing.T
	js jetstream.JetStream
	fn *function.Function
}

// openFront serves /tasks and all below it. The function does not run yet.
func openFront(t *testing.T, change func(*function.Spec), more ...func(*Config)) *front {
	t.Helper()
	b := serve(t, more...)
	fn := &function.Function{APIVersion: function.APIVersion, Kind: function.Kind, Metadata: function.Metadata{Name: "tasks"}}
	fn.Spec.Triggers = []function.Trigger{{HTTP: &function.HTTPTrigger{
		Path: "/tasks/*", Methods: []string{"GET", "POST", "PUT", "DELETE"}, Mode: function.ModeSync,
	}}}
	fn.Spec.Handler = function.Handler{Protocol: function.ProtocolHTTP, Command: []string{"true"}}
	fn.Spec.Retry = function.Retry{
		MaxAttempts: 3, MinBackoff: function.Duration(10 * time.Millisecond), MaxBackoff: function.Duration(20 * time.Millisecond),
	}
	if change != nil {
		change(&fn.Spec)
	}
	fn.SetDefaults()
	f := &front{bridge: b, t: t, js: b.nats.JetStream(t), fn: fn}
	if _, err := stream.EnsureFunction(t.Context(), f.js, fn); err != nil {
		t.Fatal(err)
	}
	h := fn.Spec.Triggers[0].HTTP
	err := b.SetRoutes([]Route{{
		Path: h.Path, Methods: h.Methods, Namespace: fn.Metadata.Namespace, Function: fn.Metadata.Name,
		Sync: h.Mode == function.ModeSync, Timeout: time.Duration(fn.Spec.Timeout),
		Plain: fn.Spec.Handler.Protocol == function.ProtocolHTTP, MaxBody: h.BodyLimit(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// app runs a web application as the function's handler.
func (f *front) app(h http.HandlerFunc) {
	f.t.Helper()
	srv := httptest.NewServer(h)
	f.t.Cleanup(srv.Close)
	inv, err := httpcall.New(httpcall.Config{
		Address: strings.TrimPrefix(srv.URL, "http://"), Plain: f.fn.Spec.Handler.Protocol == function.ProtocolHTTP,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.replica(inv)
}

// replica runs a sidecar for a handler until the test ends.
func (f *front) replica(inv invoke.Invoker) {
	f.t.Helper()
	s, err := sidecar.New(f.nats.Conn(f.t), inv, sidecar.Config{
		Function: f.fn, Replica: "r1", DrainTimeout: time.Second, Logger: zaptest.NewLogger(f.t),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	f.t.Cleanup(func() {
		cancel()
		if err := waittest.Receive(f.t, ended); err != nil {
			f.t.Errorf("sidecar: %v", err)
		}
		inv.Close()
	})
}

// awaitQueue waits until so many messages are in the functions' queues.
func (f *front) awaitQueue(n uint64) {
	f.t.Helper()
	waittest.Eventually(f.t, func() error {
		s, err := f.js.Stream(f.t.Context(), stream.WorkStream)
		if err == nil && s.CachedInfo().State.Msgs != n {
			err = fmt.Errorf("%d messages in %s, want %d", s.CachedInfo().State.Msgs, stream.WorkStream, n)
		}
		return err
	})
}

func (f *front) wantNoLetters() {
	f.t.Helper()
	letters, err := deadletter.List(f.t.Context(), f.js, deadletter.Filter{})
	if err != nil || len(letters) > 0 {
		f.t.Errorf("dead letters %+v (%v), want none: the caller was told", letters, err)
	}
}

func TestAWebApplicationSeesTheRequestAndItsCallerTheAnswer(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	seen := make(chan *http.Request, 1)
	f.app(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Set("X-Hop", "1")
		w.Header().Set("Connection", "X-Hop")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "made "+string(body))
		seen <- r
	})
	a := f.do(t, http.MethodPut, "/tasks/7/%C3%A9?done=1&x=a+b", "milk", "Content-Type", "text/plain", "X-Own", "yes", "X-Own", "no",
		"Te", "trailers", "X-Forwarded-For", "10.0.0.1", "X-Forwarded-Proto", "https", "Idempotency-Key", "k",
		"Content-Encoding", "own", "Ce-Id", "no event")
	if a.StatusCode != http.StatusCreated || string(a.body) != "made milk" {
		t.Errorf("answer %d %q", a.StatusCode, a.body)
	}
	if got := a.Header.Values("Set-Cookie"); !slices.Equal(got, []string{"a=1", "b=2"}) || a.Header.Get("X-Hop") != "" {
		t.Errorf("header %v", a.Header)
	}
	r := waittest.Receive(t, seen)
	body, _ := io.ReadAll(r.Body)
	if r.Method != http.MethodPut || r.RequestURI != "/tasks/7/%C3%A9?done=1&x=a+b" || r.Host != f.addr || string(body) != "milk" {
		t.Errorf("the application saw %s %s on %s with %q", r.Method, r.RequestURI, r.Host, body)
	}
	for name, want := range map[string][]string{
		"X-Own": {"yes", "no"}, "Te": nil, "X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"},
		"X-Forwarded-Host": {f.addr}, "Idempotency-Key": {"k"}, "Content-Encoding": {"own"}, "Ce-Id": {"no event"},
		"Pelton-Attempt": nil, "Content-Type": {"text/plain"},
	} {
		if got := r.Header.Values(name); !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if r.Header.Get("Pelton-Id") == "" {
		t.Error("the application was not told the event's id")
	}
	f.awaitQueue(0)
}

func TestEveryStatusIsAnAnswer(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	var calls atomic.Int64
	f.app(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		var status int
		_, _ = fmt.Sscanf(r.URL.Path, "/tasks/%d", &status)
		if status == http.StatusFound {
			w.Header().Set("Location", "/tasks/1")
		}
		w.WriteHeader(status)
		if status != http.StatusNoContent && status != http.StatusNotModified {
			_, _ = fmt.Fprintf(w, "this is %d", status)
		}
	})
	statuses := []int{200, 201, 204, 302, 304, 400, 404, 409, 422, 429, 500, 503, 599}
	for _, status := range statuses {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			a := f.do(t, method, fmt.Sprintf("/tasks/%d", status), "")
			want := fmt.Sprintf("this is %d", status)
			if method == http.MethodHead || status == 204 || status == 304 {
				want = ""
			}
			if a.StatusCode != status || string(a.body) != want {
				t.Errorf("%s: answer %d %q, want %d %q", method, a.StatusCode, a.body, status, want)
			}
		}
	}
	if n := calls.Load(); n != int64(3*len(statuses)) {
		t.Errorf("%d calls for %d requests: an answer is no reason for another try", n, 3*len(statuses))
	}
	f.awaitQueue(0)
	f.wantNoLetters()
}

func TestTheQueueHoldsCallersUntilTheFunctionRuns(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	const callers = 50
	answers := make(chan string, callers)
	for i := range callers {
		go func() {
			resp, err := f.client.Get(fmt.Sprintf("%s/tasks/%d", f.url, i))
			if err != nil {
				answers <- err.Error()
				return
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			answers <- string(body)
		}()
	}
	f.awaitQueue(callers)
	f.app(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })
	got := map[string]bool{}
	for range callers {
		got[waittest.Receive(t, answers)] = true
	}
	for i := range callers {
		if !got[fmt.Sprintf("/tasks/%d", i)] {
			t.Errorf("caller %d has no answer of his own: %v", i, got)
		}
	}
	f.awaitQueue(0)
}

func TestWhatNobodyWaitsForDoesNotBegin(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	a := f.do(t, http.MethodGet, "/tasks", "", "Prefer", "handling=strict, wait=1")
	wantProblem(t, a, http.StatusGatewayTimeout, "no-answer-in-time")
	f.awaitQueue(0)

	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+"/tasks", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan error, 1)
	go func() {
		resp, err := f.client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		left <- err
	}()
	f.awaitQueue(1)
	leave()
	if err := waittest.Receive(t, left); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	f.awaitQueue(0)
}

func TestACallThatFailsIsTriedAgainAndThenToldOf(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	attempts := make(chan string, 10)
	f.app(func(w http.ResponseWriter, r *http.Request) {
		attempts <- r.Header.Get("Pelton-Attempt")
		if r.URL.Path == "/tasks/once" && r.Header.Get("Pelton-Attempt") == "2" {
			return
		}
		panic(http.ErrAbortHandler)
	})
	if a := f.do(t, http.MethodGet, "/tasks/once", ""); a.StatusCode != http.StatusOK {
		t.Errorf("the second attempt was answered with %d %s", a.StatusCode, a.body)
	}
	wantProblem(t, f.do(t, http.MethodGet, "/tasks/never", ""), http.StatusBadGateway, "call-failed")
	for _, want := range []string{"", "2", "", "2", "3"} {
		if got := waittest.Receive(t, attempts); got != want {
			t.Errorf("attempt %q, want %q", got, want)
		}
	}
	f.awaitQueue(0)
	f.wantNoLetters()
}

func TestAHandlerThatIsTooSlow(t *testing.T) {
	t.Parallel()
	f := openFront(t, func(s *function.Spec) { s.Timeout = function.Duration(300 * time.Millisecond) })
	cut := make(chan struct{}, 10)
	f.app(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		cut <- struct{}{}
	})
	wantProblem(t, f.do(t, http.MethodGet, "/tasks", ""), http.StatusGatewayTimeout, "no-answer-in-time")
	waittest.Receive(t, cut)
	f.awaitQueue(0)
	f.wantNoLetters()
}

func TestAnAnswerPassesThroughAsItComes(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	next := make(chan struct{})
	f.app(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			<-next // it says no more before the caller has this
		}
	})
	resp, err := f.client.Get(f.url + "/tasks/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" || resp.StatusCode != http.StatusOK {
		t.Errorf("%d %s", resp.StatusCode, got)
	}
	lines := bufio.NewReader(resp.Body)
	for i := range 3 {
		line, err := lines.ReadString('\n')
		if want := fmt.Sprintf("data: %d\n", i); line != want || err != nil {
			t.Fatalf("%q (%v), want %q", line, err, want)
		}
		_, _ = lines.ReadString('\n')
		next <- struct{}{}
	}
	if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
		t.Errorf("%q (%v) after the end", rest, err)
	}
	f.awaitQueue(0)
}

func TestALargeAnswerIsWhole(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	page := strings.Repeat("0123456789abcdef", 300<<10/16) // more than one piece
	f.app(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/tasks/length" {
			w.Header().Set("Content-Length", fmt.Sprint(16*len(page)))
		}
		for range 16 {
			_, _ = io.WriteString(w, page)
		}
	})
	for _, path := range []string{"/tasks/length", "/tasks/chunks"} {
		if a := f.do(t, http.MethodGet, path, ""); string(a.body) != strings.Repeat(page, 16) {
			t.Errorf("%s: %d bytes, want %d", path, len(a.body), 16*len(page))
		}
	}
	f.awaitQueue(0)
}

func TestAnAnswerThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	f.app(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half of it")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	resp, err := f.client.Get(f.url + "/tasks")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%q was taken for the whole answer", body)
	}
	f.awaitQueue(0)
	f.wantNoLetters()
}

func TestACallerWhoLeavesInTheMiddleEndsTheCall(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	ended := make(chan struct{})
	f.app(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			_, _ = io.WriteString(w, "data: more\n\n")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	})
	resp, err := f.client.Get(f.url + "/tasks")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = bufio.NewReader(resp.Body).ReadString('\n')
	resp.Body.Close()
	waittest.Receive(t, ended)
	f.awaitQueue(0)
}

func TestOtherProtocolsAnswerCallersToo(t *testing.T) {
	t.Parallel()
	f := openFront(t, func(s *function.Spec) {
		s.Handler.Protocol = function.ProtocolExec
		s.Retry.MaxAttempts = 1
	})
	inv, err := execcall.New(execcall.Config{Command: []string{"sh", "-c", `
		case $CE_SOURCE in
		/tasks/reply) printf '{"you":"%s"}' "$CE_HTTPMETHOD";;
		/tasks/bad) echo "no such thing" >&2; exit 65;;
		/tasks/later) echo "not now" >&2; exit 75;;
		esac`}})
	if err != nil {
		t.Fatal(err)
	}
	f.replica(inv)
	if a := f.do(t, http.MethodDelete, "/tasks/reply", ""); a.StatusCode != http.StatusOK || string(a.body) != `{"you":"DELETE"}` ||
		a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s %q", a.StatusCode, a.Header.Get("Content-Type"), a.body)
	}
	if a := f.do(t, http.MethodGet, "/tasks/nothing", ""); a.StatusCode != http.StatusNoContent {
		t.Errorf("%d %q, want 204", a.StatusCode, a.body)
	}
	a := f.do(t, http.MethodGet, "/tasks/bad", "")
	wantProblem(t, a, http.StatusUnprocessableEntity, "rejected")
	if !strings.Contains(string(a.body), "no such thing") {
		t.Errorf("the reason is missing: %s", a.body)
	}
	wantProblem(t, f.do(t, http.MethodGet, "/tasks/later", ""), http.StatusServiceUnavailable, "call-not-done")
	f.awaitQueue(0)
	f.wantNoLetters()
}

func TestPathsOfAPrefix(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	f.app(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) })
	for path, status := range map[string]int{
		"/tasks": 200, "/tasks/": 200, "/tasks/a/b": 200, "/tasks/a%2fb": 200, "/tasks//a": 200, "/tasks/...": 200,
		"/task": 404, "/tasksx": 404, "/": 404, "/tasks/../admin": 404, "/tasks/%2e%2e/admin": 404, "/tasks/..%2fadmin": 404,
		"/tasks/.": 404, `/tasks/..%5cadmin`: 404,
	} {
		a, _ := f.wire(t, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		if a.StatusCode != status || status == 200 && string(a.body) != path {
			t.Errorf("%s: %d %s, want %d", path, a.StatusCode, a.body, status)
		}
	}
	if a := f.do(t, http.MethodPatch, "/tasks/1", "x"); a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("PATCH: %d", a.StatusCode)
	}
	err := f.SetRoutes([]Route{
		{Path: "/*", Namespace: "default", Function: "tasks", Methods: []string{"GET"}},
		{Path: "/a/*", Namespace: "default", Function: "tasks", Methods: []string{"POST"}},
		{Path: "/a", Namespace: "default", Function: "tasks", Methods: []string{"PUT"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	table := *f.routes.Load()
	for path, want := range map[string]string{"/": "GET", "/b/c": "GET", "/a/b": "POST", "/a/": "POST", "/a": "PUT", "/ab": "GET"} {
		for method := range table.of(path) {
			if method != want {
				t.Errorf("%s goes to the route of %s, want %s", path, method, want)
			}
		}
	}
}

func TestAnswersThatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	one, err := f.callers.add("default", "tasks")
	if err != nil {
		t.Fatal(err)
	}
	f.callers.remove(one)
	m, err := f.nats.Conn(t).RequestWithContext(t.Context(), one.subject, []byte("late"))
	if err != nil || m.Header.Get("Pelton-Gone") == "" {
		t.Errorf("a late answer was taken: %+v (%v)", m, err)
	}
}

// TestACallerWhoIsTooSlowHoldsUpTheHandler sends more than all buffers on the way hold to a caller who reads nothing.
func TestACallerWhoIsTooSlowHoldsUpTheHandler(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil, func(c *Config) { c.WriteTimeout = 500 * time.Millisecond })
	ended := make(chan int, 1)
	f.app(func(w http.ResponseWriter, r *http.Request) {
		page, sent := make([]byte, 1<<20), 0
		for r.Context().Err() == nil && sent < 1<<30 {
			n, err := w.Write(page)
			if sent += n; err != nil {
				break
			}
		}
		ended <- sent
	})
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /tasks HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if sent := waittest.Receive(t, ended); sent >= 256<<20 {
		t.Errorf("the handler got rid of %d bytes that nobody has read", sent)
	}
	f.awaitQueue(0)
}

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	sdk "github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
)

// The environment that makes the test binary a handler.
const (
	modeEnv    = "E2E_HANDLER" // how the process behaves
	ledgerEnv  = "E2E_LEDGER"  // the file it writes
	versionEnv = "E2E_VERSION" // what it says of itself
	workEnv    = "E2E_WORK"    // how long a call takes
)

// The ways a handler process behaves. What a single call does is a word in its event's data, see call.
const (
	modeServe    = "serve"
	modeForks    = "forks"    // has children, one of them in a session of its own
	modeStubborn = "stubborn" // ignores SIGTERM
	modeLate     = "late"     // listens after three seconds
	modeNever    = "never"    // never listens
	modeExit     = "exit"     // ends at once
	modeGarbage  = "garbage"  // answers what is not HTTP
	modeFrames   = "frames"   // speaks the framed protocol
	modeExec     = "exec"     // is started for one event
)

// lateBy is how late the late one is.
const lateBy = 3 * time.Second

// runHandler is the handler process.
func runHandler(mode string) int {
	if mode == modeExec {
		return runOnce()
	}
	record{Kind: recordStart}.write(os.Getenv(ledgerEnv))
	switch mode {
	case modeForks:
		fork()
	case modeStubborn:
		signal.Ignore(syscall.SIGTERM)
	case modeLate:
		<-time.After(lateBy)
	case modeNever:
		<-time.After(time.Hour)
	case modeExit:
		fmt.Fprintln(os.Stderr, "no configuration, giving up")
		return 3
	case modeGarbage:
		return serveGarbage()
	case modeFrames:
		return report(functions.Serve(handleFrame))
	}
	return serveHTTP()
}

func report(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// fork leaves two processes running: one in our group, and one that has left it.
func fork() {
	for _, session := range []bool{false, true} {
		cmd := exec.Command("sleep", "3600")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: session}
		if err := cmd.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// runOnce is one event for the protocol exec.
func runOnce() int {
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		return report(err)
	}
	attempt, _ := strconv.Atoi(os.Getenv("PELTON_ATTEMPT"))
	c := newCall(record{
		ID: os.Getenv("CE_ID"), Source: os.Getenv("CE_SOURCE"), Type: os.Getenv("CE_TYPE"),
		Attempt: attempt,
	}, data)
	if status, _ := c.handle(); status != http.StatusOK {
		return 75
	}
	return 0
}

func handleFrame(ctx context.Context, e sdk.Event) (*sdk.Event, error) {
	d := functions.FromContext(ctx)
	c := newCall(record{ID: e.ID(), Source: e.Source(), Type: e.Type(), Subject: e.Subject(), Attempt: d.Attempt}, e.Data())
	status, after := c.handle()
	if status != http.StatusOK {
		return nil, functions.Retry(after)
	}
	return nil, nil
}

// serveHTTP listens where Pelton says, until SIGTERM.
func serveHTTP() int {
	network, address := "tcp", "127.0.0.1:"+os.Getenv("PORT")
	if socket := os.Getenv("PELTON_SOCKET"); socket != "" {
		network, address = "unix", socket
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return report(err)
	}
	return report(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		attempt, _ := strconv.Atoi(cmp.Or(r.Header.Get("Pelton-Attempt"), "1"))
		c := newCall(record{
			ID: r.Header.Get("Ce-Id"), Source: r.Header.Get("Ce-Source"), Type: r.Header.Get("Ce-Type"),
			Subject: r.Header.Get("Ce-Subject"), ContentType: r.Header.Get("Content-Type"), Attempt: attempt,
		}, data)
		status, after := c.handle()
		if after > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(after.Seconds())))
		}
		w.WriteHeader(status)
	})))
}

// serveGarbage answers whoever connects with noise.
func serveGarbage() int {
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		return report(err)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return report(err)
		}
		go func() {
			_, _ = conn.Read(make([]byte, 64<<10))
			_, _ = io.WriteString(conn, "\x00\xffHTTP 200 hello?\r\n\r\n\x01\x02\x03")
			_ = conn.Close()
		}()
	}
}

// call is one event in a handler.
type call struct {
	record record
	data   string
}

func newCall(r record, data []byte) call {
	r.Data, r.Size = string(data[:min(len(data), 200)]), len(data)
	return call{record: r, data: string(data)}
}

// handle does what the data says: "fail-once", "retry-after 600", "hang", "flood". It returns the status of the answer.
func (c call) handle() (status int, after time.Duration) {
	path := os.Getenv(ledgerEnv)
	begin := c.record
	begin.Kind = recordBegin
	begin.write(path)
	if d, err := time.ParseDuration(os.Getenv(workEnv)); err == nil {
		<-time.After(d)
	}
	switch first := c.record.Attempt <= 1; {
	case strings.Contains(c.data, "fail-once") && first:
		return http.StatusInternalServerError, 0
	case strings.Contains(c.data, "retry-after") && first:
		return http.StatusServiceUnavailable, c.delay()
	case strings.Contains(c.data, "hang"):
		select {}
	case strings.Contains(c.data, "flood"):
		flood()
	}
	end := c.record
	end.Kind = recordEnd
	end.write(path)
	return http.StatusOK, 0
}

// delay is the number of seconds behind "retry-after".
func (c call) delay() time.Duration {
	_, rest, _ := strings.Cut(c.data, "retry-after ")
	n := 0
	_, _ = fmt.Sscan(rest, &n)
	return time.Duration(n) * time.Second
}

// flood writes 100 MB to stdout, in lines of 100 bytes.
func flood() {
	lines := []byte(strings.Repeat(strings.Repeat("x", 99)+"\n", 10_000))
	for range 100 {
		if _, err := os.Stdout.Write(lines); err != nil {
			return
		}
	}
}

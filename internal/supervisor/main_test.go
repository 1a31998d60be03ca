package supervisor

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	sdk "github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
	"github.com/pelton-dev/pelton/internal/process"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// handlerMode makes the test binary a handler; its value says how it behaves.
const handlerMode = "TEST_HANDLER_MODE"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == process.GuardArg {
		os.Exit(process.RunGuard(os.Stdin))
	}
	if mode := os.Getenv(handlerMode); mode != "" {
		os.Exit(runHandler(mode))
	}
	waittest.Main(m)
}

// runHandler is the handler process.
func runHandler(mode string) int {
	fmt.Fprintln(os.Stderr, "handler says", mode)
	switch mode {
	case "exit":
		return 3
	case "mute": // never listens
		time.Sleep(time.Hour)
	case "faithful":
		return serveFaithful()
	case "stream":
		err := functions.Serve(func(context.Context, sdk.Event) (*sdk.Event, error) { return nil, nil })
		fmt.Fprintln(os.Stderr, err)
		return 1
	case "escape": // leaves a process in a session of its own behind
		cmd := exec.Command("sleep", "1000")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return 1
		}
	case "version": // a script, so to speak, that is broken or not
		text, err := os.ReadFile("version.py")
		fmt.Fprintf(os.Stderr, "version %s\n", text)
		if err != nil || strings.Contains(string(text), "broken") {
			return 1
		}
	}
	return serveHTTP()
}

// serveFaithful ends, once it is asked to, with its first connection.
func serveFaithful() int {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	conn, err := l.Accept()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	<-asked
	_, err = conn.Read(make([]byte, 1))
	fmt.Fprintln(os.Stderr, "the connection has ended:", err)
	return 0
}

// serveHTTP listens where Pelton says. What a call does is its body's first word.
func serveHTTP() int {
	network, address := "tcp", "127.0.0.1:"+os.Getenv("PORT")
	if socket := os.Getenv("PELTON_SOCKET"); socket != "" {
		network, address = "unix", socket
	}
	l, err := net.Listen(network, address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	srv := &http.Server{}
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch string(body) {
		case "crash":
			fmt.Fprintln(os.Stderr, "about to crash")
			os.Exit(7)
		case "down":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "slow":
			time.Sleep(200 * time.Millisecond)
		case "deaf": // lives on without listening
			go func() { _ = srv.Close() }()
		case "leave": // stops listening, and goes on with the call until somebody makes a file
			_ = l.Close()
			_ = os.WriteFile("left", nil, 0o600)
			for {
				if _, err := os.Stat("return"); err == nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		case "hang":
			<-r.Context().Done()
		}
	})
	err = srv.Serve(l)
	fmt.Fprintln(os.Stderr, err)
	time.Sleep(time.Hour)
	return 1
}

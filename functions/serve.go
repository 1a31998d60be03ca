package functions

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/cloudevents/sdk-go/v2/event"
)

// Func handles one event. The context ends when nobody waits for the result any more: at the call's deadline, or before.
// Over the protocol stream it names the deadline.
type Func func(ctx context.Context, e event.Event) (*event.Event, error)

var errNoTransport = errors.New("this program is a Pelton function and was not told how to serve: run it with " +
	"`pelton up`, or set PORT, for example PORT=8080, to serve CloudEvents over HTTP")

// Serve handles events with f until the process gets SIGTERM or SIGINT, then finishes the calls that run and returns nil.
// A second signal ends the process at once.
//
// It returns nil too when the sidecar is done with this process, and an error when it cannot serve or when the sidecar
// goes away during a call. The program should exit then: whoever started it starts it again.
func Serve(f Func) error {
	ctx, stop := untilSignal()
	defer stop()
	return serve(ctx, f, environment())
}

// untilSignal returns a context that ends with the first signal. By then a second one ends the process.
func untilSignal() (ctx context.Context, stop func()) {
	signaled, unregister := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	ctx, cancel := context.WithCancel(context.Background())
	context.AfterFunc(signaled, func() {
		unregister()
		cancel()
	})
	return ctx, unregister
}

// settings are what the environment says about serving.
type settings struct {
	socket, protocol, host, port string
	function, namespace, replica string
}

func environment() settings {
	return settings{
		socket: os.Getenv("PELTON_SOCKET"), protocol: os.Getenv("PELTON_PROTOCOL"),
		host: os.Getenv("PELTON_HOST"), port: os.Getenv("PORT"),
		function: os.Getenv("PELTON_FUNCTION"), namespace: os.Getenv("PELTON_NAMESPACE"), replica: os.Getenv("PELTON_REPLICA"),
	}
}

// serve runs until ctx ends and the calls are finished.
func serve(ctx context.Context, f program, s settings) error {
	switch {
	case s.socket != "" && (s.protocol == "" || s.protocol == "stream"):
		return serveStream(ctx, f, s.socket)
	case s.socket != "":
		return serveHTTP(ctx, f, s, "unix", s.socket)
	case s.port != "":
		return serveHTTP(ctx, f, s, "tcp", s.address())
	default:
		return errNoTransport
	}
}

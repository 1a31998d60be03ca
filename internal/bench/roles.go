package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/pelton-dev/pelton/functions"
)

// roleVariable tells a copy of this binary to be one of the processes of the bench.
const roleVariable = "PELTON_BENCH_ROLE"

func runRole(role string) {
	roles := map[string]func() error{
		"nats": serveNATS, "bridge": serveBridge, "handler-frames": serveFrames, "pages": servePages,
		"handler-http": func() error {
			return serveHTTP(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
		},
		"handler-sdk": func() error {
			return functions.Serve(func(context.Context, event.Event) (*event.Event, error) { return nil, nil })
		},
		"handler-batch": func() error {
			return functions.ServeBatch(func(context.Context, []event.Event) ([]functions.Result, error) { return nil, nil })
		},
		"latency-http": noteHTTP, "latency-sdk": noteSDK, "latency-frames": noteFrames, "echo": serveEcho,
		"loop-http": loopHTTP, "loop-raw": loopRaw, "loop-frames": loopFrames, "loop-frames-lean": loopFramesLean,
	}
	run, ok := roles[role]
	if !ok {
		fmt.Fprintf(os.Stderr, "bench: no role %q\n", role)
		os.Exit(2)
	}
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %s: %v\n", role, err)
		os.Exit(1)
	}
}

// serveNATS is the server, with every write synced as in the product.
func serveNATS() error {
	s, err := server.NewServer(&server.Options{
		ServerName: "bench", Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: os.Getenv("STORE"),
		SyncAlways: os.Getenv("SYNC") != "lazy", NoSigs: true, NoLog: true,
	})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(waitStart) {
		return fmt.Errorf("not ready")
	}
	fmt.Println(s.ClientURL())
	stopped()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

// serveHTTP serves a handler over HTTP as a Go programmer writes it.
func serveHTTP(handle http.HandlerFunc) error {
	network, address := "tcp", "127.0.0.1:"+os.Getenv("PORT")
	if path := os.Getenv("PELTON_SOCKET"); path != "" {
		network, address = "unix", path
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(l, handle) }()
	stopped()
	return nil
}

func stopped() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM, os.Interrupt)
	<-c
}

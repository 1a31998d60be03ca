// Command bridge is Pelton's HTTP entry as a process of its own, so that it can be killed apart from everything else. It takes
// NATS_URL and PELTON_ADDRESS, and drains on SIGTERM.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/pelton-dev/pelton/internal/bridge"
	"github.com/pelton-dev/pelton/internal/natsclient"
	"github.com/pelton-dev/pelton/internal/program"
)

func main() {
	if err := run(program.UntilSignal(context.Background())); err != nil {
		fmt.Fprintf(os.Stderr, "bridge: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	env := program.NewEnv(os.Getenv)
	address := env.Address("PELTON_ADDRESS", "127.0.0.1:8080")
	if err := env.Err(); err != nil {
		return err
	}
	nc, err := natsclient.Dial(natsclient.Config{URL: env.Get("NATS_URL", "nats://127.0.0.1:4222"), Name: "bridge"})
	if err != nil {
		return err
	}
	defer nc.Close()
	b, err := bridge.New(bridge.Config{Conn: nc.Conn, Address: address})
	if err != nil {
		return err
	}
	return b.Run(ctx)
}

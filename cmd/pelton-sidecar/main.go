// Command pelton-sidecar is the runtime next to one handler: it pulls events, calls the handler and settles, until SIGTERM.
//
// It is configured by its environment alone (see env.go and deploy/docs/sidecar.md) and links neither Kubernetes nor a NATS
// server. SIGTERM or SIGINT begins the drain; a second signal exits at once.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"github.com/pelton-dev/pelton/internal/program"
)

func main() {
	if os.Getenv("GOMAXPROCS") == "" {
		// One event is a chain of short steps. On one processor they run one after another and what they write gathers in
		// few system calls; on several they wake each other across processors, which costs more than it gains.
		runtime.GOMAXPROCS(1)
	}
	if err := run(program.UntilSignal(context.Background()), os.Getenv); err != nil {
		fmt.Fprintf(os.Stderr, "pelton-sidecar: %v\n", err)
		os.Exit(1)
	}
}

// Command pelton-scaler tells KEDA how many replicas work waits for: it serves KEDA's external push scaler over gRPC and knows
// from NATS what is due, for functions and for any JetStream consumer.
//
// It is configured by its environment alone, and reports all mistakes at once (deploy/docs/scaler.md says more):
//
//	NATS_URL                nats://127.0.0.1:4222: the server, or several separated by commas
//	NATS_CREDS              path of a NATS credentials file
//	NATS_CA                 path of a PEM file: who may have signed the server's certificate
//	NATS_CERT, NATS_KEY     paths of PEM files: the certificate to show to NATS
//	PELTON_SCALER_ADDRESS   127.0.0.1:9090: where gRPC is served
//	PELTON_HEALTH_ADDRESS   :8081: where probes, metrics and decisions are answered; off for none
//	PELTON_TLS_DIR          directory with tls.crt, tls.key and ca.crt: mutual TLS for gRPC
//	PELTON_INSECURE         false: true serves gRPC without TLS beyond loopback
//	PELTON_DECISIONS        local: who may read decisions over HTTP: local (loopback), all or none
//	PELTON_MAX_STREAMS      65536: streams at once on one connection
//	PELTON_DRAIN_TIMEOUT    10s: how long calls may go on after SIGTERM
//	PELTON_LOG_LEVEL        info: debug, info, warn or error; JSON lines on stderr
//
// SIGTERM or SIGINT ends all streams cleanly and then the server: KEDA comes back at once after a clean end, and later and
// later after any other. A second signal exits at once. It links neither a NATS server nor a Kubernetes client.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/pelton-dev/pelton/internal/program"
)

func main() {
	if os.Getenv("GOGC") == "" {
		// Thousands of idle streams are a large heap and many stacks, and the garbage collector waits in proportion to both.
		debug.SetGCPercent(25)
	}
	if err := run(program.UntilSignal(context.Background()), os.Getenv); err != nil {
		fmt.Fprintf(os.Stderr, "pelton-scaler: %v\n", err)
		os.Exit(1)
	}
}

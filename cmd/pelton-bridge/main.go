// Command pelton-bridge takes events and calls of functions over HTTP in front of a NATS cluster: what pelton up serves on one
// machine. It learns of functions and of their HTTP triggers from the catalog in NATS.
//
// It is configured by its environment alone, and reports all mistakes at once (deploy/docs/http-access.md says more):
//
//	NATS_URL                nats://127.0.0.1:4222: the server, or several separated by commas
//	NATS_CREDS              path of a NATS credentials file
//	NATS_CA                 path of a PEM file: who may have signed the server's certificate
//	NATS_CERT, NATS_KEY     paths of PEM files: the certificate to show to NATS
//	PELTON_HTTP_ADDRESS     127.0.0.1:8080: where HTTP is served
//	PELTON_HEALTH_ADDRESS   :8081: where probes and metrics are answered; off for none
//	PELTON_TOKENS           path of a file of callers and their tokens
//	PELTON_ACCESS           path of a file of issuers, rules and limits
//	PELTON_INSECURE_NO_AUTH false: true serves beyond loopback although nobody is asked who he is
//	PELTON_TLS_DIR          directory with tls.crt and tls.key: HTTPS
//	PELTON_WEBHOOK_SECRETS  /etc/pelton/webhooks: directory with the secrets of webhooks and callbacks: NAMESPACE.SECRET.KEY
//	PELTON_HOSTS            names that callers use for it, separated by commas; * is any: the default where callers are asked
//	PELTON_ORIGINS          scheme://host of web pages that may send events, separated by commas
//	PELTON_TRUST_FORWARDED  false: true passes on what X-Forwarded-* and the like say: only a proxy that sets them reaches it
//	PELTON_MAX_CONNECTIONS  4096: open connections
//	PELTON_KEEP_RESULTS     1h: how long it is known what became of a call whose caller asks later (2m to 168h)
//	PELTON_STOP_DELAY       5s: how long it serves after SIGTERM while nobody should send it anything new
//	PELTON_DRAIN_TIMEOUT    10s: how long requests may go on after that
//	PELTON_LOG_LEVEL        info: debug, info, warn or error; JSON lines on stderr
//
// SIGTERM or SIGINT makes it unready, and ends it after the delay and the drain. A second signal exits at once. It links neither a
// NATS server nor a Kubernetes client.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/pelton-dev/pelton/internal/program"
)

func main() {
	if err := run(program.UntilSignal(context.Background()), os.Getenv); err != nil {
		fmt.Fprintf(os.Stderr, "pelton-bridge: %v\n", err)
		os.Exit(1)
	}
}

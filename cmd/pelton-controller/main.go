// Command pelton-controller makes and keeps what Function resources need: streams and consumers on NATS, and in the cluster a
// Deployment with a sidecar, a ScaledObject for KEDA, and what belongs to them.
//
// It is configured by its environment alone, and reports all mistakes at once:
//
//	KUBECONFIG               path of a kubeconfig; not set in a pod, whose account is used then
//	PELTON_NAMESPACES        all: the namespaces whose Functions are looked at, separated by commas
//	PELTON_LEASE_NAMESPACE   the namespace of the lease for which several controllers compete; not set: there is one
//	NATS_URL                 nats://127.0.0.1:4222: the server, or several separated by commas
//	NATS_CREDS, NATS_CA      paths of a NATS credentials file, and of a PEM file: who may have signed the server's certificate
//	NATS_CERT, NATS_KEY      paths of PEM files: the certificate to show to NATS
//	PELTON_STREAM_REPLICAS   copies of each stream, on as many servers; not set, it is 1 for streams that are made
//	PELTON_WORKERS           16: Functions that are worked on at one time
//	PELTON_RESYNC            10m: how often each Function is looked at although nothing has changed
//	PELTON_DELETE_TIMEOUT    2m: how long a deletion waits for pods and NATS
//	PELTON_FIRST_JUMP        true: a function that wakes with a deep backlog gets all its replicas at once; false: from the HPA
//	PELTON_HEALTH_ADDRESS    :8081: where probes and metrics are answered; off for none
//	PELTON_LOG_LEVEL         info: debug, info, warn or error; JSON lines on stderr
//
// What the pods of functions are given:
//
//	PELTON_SIDECAR_IMAGE     the image of the sidecar; must be set
//	PELTON_SCALER            host:port of the scaler, as KEDA reaches it; must be set
//	PELTON_SCALER_AUTH       how KEDA shows the scaler who it is: the name of a ClusterTriggerAuthentication, or with
//	                         TriggerAuthentication/ before it one in each namespace; not set: not at all
//	PELTON_POLLING_INTERVAL  10s: how often KEDA asks for each function, besides being told
//	PELTON_SIDECAR_NATS_URL  as NATS_URL: NATS as pods reach it
//	PELTON_NATS_SECRET       a secret in the namespaces of functions with files for the sidecar
//	PELTON_NATS_SECRET_CREDS the key of its NATS credentials
//	PELTON_NATS_SECRET_CA    the key of its PEM file: who may have signed the server's certificate
//	PELTON_NATS_ACCOUNT_KEY  instead of that secret: a file with the seed of an account's signing key. Each function then gets
//	                         NATS credentials of its own, and NATS_CA, in the secret FUNCTION-pfn-nats
//	PELTON_NATS_ACCOUNT      the public key of that account; not set: the seed is the account's own
//	PELTON_CREDENTIALS_LIFETIME 24h: how long those credentials hold; they are renewed at half of it
//	PELTON_PULL_POLICY       Always, IfNotPresent or Never; not set: as Kubernetes does
//	PELTON_PULL_SECRETS      secrets in the namespaces of functions, separated by commas
//	PELTON_CLOSED_EGRESS     false: true lets pods reach DNS and NATS alone
//	PELTON_SIDECAR_LOG_LEVEL info: of the sidecars
//
// SIGTERM or SIGINT ends it; a second signal exits at once. Events flow on while there is no controller.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/pelton-dev/pelton/internal/program"
)

func main() {
	if err := run(program.UntilSignal(context.Background()), os.Getenv); err != nil {
		fmt.Fprintf(os.Stderr, "pelton-controller: %v\n", err)
		os.Exit(1)
	}
}

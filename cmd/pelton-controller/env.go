package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap/zapcore"
	corev1 "k8s.io/api/core/v1"

	"github.com/pelton-dev/pelton/internal/controller"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/natsclient"
	"github.com/pelton-dev/pelton/internal/program"
)

// settings is everything the environment says.
type settings struct {
	kubeconfig string // "" is the account of the pod
	nats       natsclient.Config
	controller controller.Config
	health     string // listen address of probes and metrics; "" is none
	level      zapcore.Level
}

// readSettings reads the environment. All problems come back at once.
func readSettings(getenv func(string) string) (settings, error) {
	env := program.NewEnv(getenv)
	s := settings{
		kubeconfig: env.Path("KUBECONFIG"),
		nats: natsclient.Config{
			URL: env.Get("NATS_URL", nats.DefaultURL), Name: "pelton-controller",
			Creds: env.Path("NATS_CREDS"), CA: env.Path("NATS_CA"),
		},
		controller: controller.Config{
			Namespaces: list(getenv("PELTON_NAMESPACES")), LeaseNamespace: getenv("PELTON_LEASE_NAMESPACE"),
			StreamReplicas: int(env.Count("PELTON_STREAM_REPLICAS", 0)), Workers: int(env.Count("PELTON_WORKERS", controller.DefaultWorkers)),
			Resync:      env.Duration("PELTON_RESYNC", controller.DefaultResync),
			Patience:    env.Duration("PELTON_DELETE_TIMEOUT", controller.DefaultPatience),
			NoFirstJump: !env.Bool("PELTON_FIRST_JUMP", true),
		},
		health: env.Address("PELTON_HEALTH_ADDRESS", ":8081"), level: env.Level("PELTON_LOG_LEVEL"),
	}
	if cert, key := env.KeyPair("NATS_CERT", "NATS_KEY"); cert != "" {
		s.nats.More = []nats.Option{nats.ClientCert(cert, key)}
	}
	s.controller.Issuer, s.controller.NATSCA = readIssuer(env, getenv, s.nats.CA)
	s.controller.Settings = readPods(env, getenv, s.nats.URL)
	return s, env.Err()
}

// readPods reads what pods are given.
func readPods(env *program.Env, getenv func(string) string, natsURL string) desired.Settings {
	s := desired.Settings{
		SidecarImage: getenv("PELTON_SIDECAR_IMAGE"), ScalerAddress: getenv("PELTON_SCALER"),
		NATSURL: env.Get("PELTON_SIDECAR_NATS_URL", natsURL),
		NATSCredentials: desired.NATSCredentials{
			Secret: getenv("PELTON_NATS_SECRET"), Creds: getenv("PELTON_NATS_SECRET_CREDS"), CA: getenv("PELTON_NATS_SECRET_CA"),
		},
		TriggerAuthentication: authentication(getenv("PELTON_SCALER_AUTH")),
		ImagePullPolicy:       corev1.PullPolicy(getenv("PELTON_PULL_POLICY")), ImagePullSecrets: list(getenv("PELTON_PULL_SECRETS")),
		PollingInterval: env.Duration("PELTON_POLLING_INTERVAL", desired.DefaultPollingInterval).Round(time.Second),
		ClosedEgress:    env.Bool("PELTON_CLOSED_EGRESS", false), LogLevel: getenv("PELTON_SIDECAR_LOG_LEVEL"),
	}
	for name, value := range map[string]string{"PELTON_SIDECAR_IMAGE": s.SidecarImage, "PELTON_SCALER": s.ScalerAddress} {
		if value == "" {
			env.Note(fmt.Errorf("%s: not set", name))
			return s // the rest of Validate says the same in other words
		}
	}
	switch s.ImagePullPolicy {
	case "", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever:
	default:
		env.Note(fmt.Errorf("PELTON_PULL_POLICY: %q is none of Always, IfNotPresent, Never", s.ImagePullPolicy))
	}
	if s.LogLevel != "" {
		env.Level("PELTON_SIDECAR_LOG_LEVEL")
	}
	env.Note(s.Validate())
	return s
}

// authentication reads "name" or "Kind/name".
func authentication(text string) desired.TriggerAuthentication {
	kind, name, found := strings.Cut(text, "/")
	switch {
	case text == "":
		return desired.TriggerAuthentication{}
	case !found:
		kind, name = "ClusterTriggerAuthentication", text
	}
	return desired.TriggerAuthentication{Kind: kind, Name: name}
}

// list reads words separated by commas.
func list(text string) (words []string) {
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

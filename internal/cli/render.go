package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
)

func (a *app) renderCommand() *cobra.Command {
	var o applyOptions
	var r renderFlags
	cmd := &cobra.Command{
		Use:   "render -f FILE",
		Short: "Print the Kubernetes objects that functions need, as plain YAML",
		Long: "Print the objects that pelton-controller would make for the functions of manifests, as plain YAML: to look at, or to\n" +
			"apply where there is no controller. It asks no cluster. The settings of the installation, which the controller has in\n" +
			"its environment, are flags here.\n\n" +
			"Without a controller nobody makes the streams and consumers: pelton provision does.",
		Example: "  # What would there be?\n  pelton render -f function.yaml\n\n" +
			"  # Without a controller\n" +
			"  pelton render -f functions/ --sidecar-image example.com/pelton-sidecar:1.0 | kubectl apply --server-side -f -",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.render(o, r) },
	}
	cmd.Flags().StringArrayVarP(&o.files, "filename", "f", nil, "manifest, folder of manifests, or - for stdin; may be repeated")
	cmd.Flags().StringVarP(&o.namespace, "namespace", "n", "", "namespace of manifests that name none (default: default)")
	r.add(cmd)
	return cmd
}

// renderFlags are the settings of an installation.
type renderFlags struct {
	settings desired.Settings
	auth     string
	policy   string
}

// defaultSettings are those of deploy/scaler and deploy/trial.
func defaultSettings() desired.Settings {
	return desired.Settings{
		SidecarImage: "pelton-sidecar:dev", NATSURL: "nats://nats.pelton-system.svc:4222",
		ScalerAddress: "pelton-scaler.pelton-system.svc:9090",
	}
}

func (r *renderFlags) add(cmd *cobra.Command) {
	s, flags := &r.settings, cmd.Flags()
	*s = defaultSettings()
	flags.StringVar(&s.SidecarImage, "sidecar-image", s.SidecarImage, "image of the sidecar (PELTON_SIDECAR_IMAGE)")
	flags.StringVar(&s.NATSURL, "sidecar-nats", s.NATSURL, "NATS as pods reach it (PELTON_SIDECAR_NATS_URL)")
	flags.StringVar(&s.ScalerAddress, "scaler", s.ScalerAddress, "host:port of the scaler as KEDA reaches it (PELTON_SCALER)")
	flags.StringVar(&r.auth, "scaler-auth", "ClusterTriggerAuthentication/pelton-scaler",
		"how KEDA shows the scaler who it is: KIND/NAME, or nothing (PELTON_SCALER_AUTH)")
	flags.StringVar(&s.NATSCredentials.Secret, "nats-secret", "", "secret with files for the sidecar (PELTON_NATS_SECRET)")
	flags.StringVar(&s.NATSCredentials.Creds, "nats-secret-creds", "", "key of its NATS credentials (PELTON_NATS_SECRET_CREDS)")
	flags.StringVar(&s.NATSCredentials.CA, "nats-secret-ca", "", "key of its certificates (PELTON_NATS_SECRET_CA)")
	flags.StringVar(&r.policy, "pull-policy", "", "Always, IfNotPresent or Never (PELTON_PULL_POLICY)")
	flags.StringSliceVar(&s.ImagePullSecrets, "pull-secrets", nil, "secrets to pull images with (PELTON_PULL_SECRETS)")
	flags.DurationVar(&s.PollingInterval, "polling-interval", desired.DefaultPollingInterval,
		"how often KEDA asks, besides being told (PELTON_POLLING_INTERVAL)")
	flags.BoolVar(&s.ClosedEgress, "closed-egress", false, "pods reach DNS and NATS alone (PELTON_CLOSED_EGRESS)")
	flags.StringVar(&s.LogLevel, "sidecar-log-level", "", "debug, info, warn or error (PELTON_SIDECAR_LOG_LEVEL)")
}

// read completes the settings. What is wrong with them is told by the names of the flags.
func (r *renderFlags) read() (desired.Settings, error) {
	s := r.settings
	s.ImagePullPolicy = corev1.PullPolicy(r.policy)
	switch s.ImagePullPolicy {
	case "", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever:
	default:
		return s, usage("Always, IfNotPresent or Never", "--pull-policy: there is no %q", r.policy)
	}
	if r.auth != "" {
		kind, name, found := strings.Cut(r.auth, "/")
		if !found {
			kind, name = "ClusterTriggerAuthentication", r.auth
		}
		s.TriggerAuthentication = desired.TriggerAuthentication{Kind: kind, Name: name}
	}
	if err := s.Validate(); err != nil {
		return s, &Error{Exit: ExitUsage, Message: "the settings are not possible", Cause: err, Hint: "pelton render --help"}
	}
	return s, nil
}

func (a *app) render(o applyOptions, r renderFlags) error {
	if len(o.files) == 0 {
		return usage("-f FILE, -f FOLDER or -f -", "no manifest is named")
	}
	settings, err := r.read()
	if err != nil {
		return err
	}
	fns, texts, err := a.readManifests(o.files)
	if err != nil {
		return err
	}
	manifests, err := a.manifestsFor(namespaces{o.namespace, function.DefaultNamespace}, fns, texts)
	if err != nil {
		return err
	}
	var objects []*unstructured.Unstructured
	for _, m := range manifests {
		made, err := desired.Objects(m.fn, settings)
		if err != nil {
			return fmt.Errorf("render function %s: %w", fullName(m.key()), err)
		}
		objects = append(objects, made...)
	}
	return a.writeObjects(objects)
}

// writeObjects writes a YAML stream, or under -o json a List as kubectl takes it.
func (a *app) writeObjects(objects []*unstructured.Unstructured) error {
	if a.json() {
		items := make([]any, len(objects))
		for i, o := range objects {
			items[i] = o.Object
		}
		return a.writeJSON(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	}
	for _, o := range objects {
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			return fmt.Errorf("write %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		if _, err := fmt.Fprintf(a.stdout, "---\n%s", text); err != nil {
			return fmt.Errorf("write output: %w", err)
		}
	}
	return nil
}

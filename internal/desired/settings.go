package desired

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// DefaultPollingInterval is how often KEDA asks for each function, besides being told. It delays the last step to zero only.
const DefaultPollingInterval = 10 * time.Second

// Settings are what is the same for all functions of a cluster: where NATS and the scaler are, and how pods are to look.
type Settings struct {
	SidecarImage  string
	NATSURL       string // the server, or several separated by commas, as pods reach it; without a password, which pods would show
	ScalerAddress string // host:port of the scaler, as KEDA reaches it

	// NATSCredentials are files for the sidecar. The zero value is a server that asks nobody who he is.
	NATSCredentials NATSCredentials

	// OwnCredentials has each function mount a secret of its own in place of NATSCredentials; see Secret.
	OwnCredentials OwnCredentials

	// TriggerAuthentication is how KEDA shows the scaler who it is. The zero value is a scaler without certificates.
	TriggerAuthentication TriggerAuthentication

	// SidecarResources of nil are defaults that grow with the concurrency.
	SidecarResources *corev1.ResourceRequirements

	ImagePullPolicy  corev1.PullPolicy // "" leaves it to Kubernetes: Always for the tag latest, else IfNotPresent
	ImagePullSecrets []string          // names of secrets that are in the namespaces of the functions

	PollingInterval time.Duration // in whole seconds; 0 is DefaultPollingInterval
	ClosedEgress    bool          // pods reach DNS and NATS alone; see networkpolicy.go
	LogLevel        string        // of sidecars; "" is theirs
}

// NATSCredentials names a secret in the namespace of the function. A pod waits until it is there.
type NATSCredentials struct {
	Secret string // "" is none
	Creds  string // the key of the credentials file; "" is none
	CA     string // the key of the certificates (PEM) that may have signed the server's; "" is whom the system trusts
}

// OwnCredentials says what the secret of each function has.
type OwnCredentials string

// What the secret of each function has: none is made, or credentials, or also the certificates (PEM) that may have signed the
// server's.
const (
	NoOwnCredentials    OwnCredentials = ""
	OwnCredentialsAlone OwnCredentials = "credentials"
	OwnCredentialsAndCA OwnCredentials = "credentials and certificates"
)

// TriggerAuthentication names an object of KEDA.
type TriggerAuthentication struct {
	Name string
	Kind string // TriggerAuthentication (also ""), or ClusterTriggerAuthentication
}

func (s Settings) withDefaults() Settings {
	s.PollingInterval = cmp.Or(s.PollingInterval, DefaultPollingInterval)
	s.TriggerAuthentication.Kind = cmp.Or(s.TriggerAuthentication.Kind, "TriggerAuthentication")
	return s
}

// Validate tells everything that is wrong with the settings.
func (s Settings) Validate() error {
	_, err := s.withDefaults().check()
	return err
}

// check also returns the ports of NATS, which it has to read anyway.
func (s Settings) check() (natsPorts []int32, err error) {
	natsPorts, urlErr := portsOf(s.NATSURL)
	errs := []error{urlErr, missing("SidecarImage", s.SidecarImage), missing("ScalerAddress", s.ScalerAddress)}
	if kind := s.TriggerAuthentication.Kind; kind != "TriggerAuthentication" && kind != "ClusterTriggerAuthentication" {
		errs = append(errs, fmt.Errorf(
			"TriggerAuthentication.Kind: %q is neither TriggerAuthentication nor ClusterTriggerAuthentication", kind))
	}
	if c := s.NATSCredentials; (c.Secret == "") != (c.Creds == "" && c.CA == "") {
		errs = append(errs, errors.New("NATSCredentials: a secret and the keys in it (Creds, CA, or both) go together"))
	}
	if s.OwnCredentials != NoOwnCredentials && s.NATSCredentials.Secret != "" {
		errs = append(errs, errors.New("NATSCredentials: functions have credentials of their own, so there is no use for a secret of all"))
	}
	if s.PollingInterval < time.Second {
		errs = append(errs, fmt.Errorf("PollingInterval: %v is less than a second", s.PollingInterval))
	}
	return natsPorts, errors.Join(errs...)
}

func missing(field, value string) error {
	if value == "" {
		return errors.New(field + ": it is missing")
	}
	return nil
}

// portsOf returns the ports of the servers, each once.
func portsOf(servers string) ([]int32, error) {
	if servers == "" {
		return nil, errors.New("NATSURL: it is missing")
	}
	var ports []int32
	for server := range strings.SplitSeq(servers, ",") {
		port, err := portOf(strings.TrimSpace(server))
		if err != nil {
			return nil, fmt.Errorf("NATSURL: %w", err)
		}
		ports = append(ports, port)
	}
	slices.Sort(ports)
	return slices.Compact(ports), nil
}

func portOf(server string) (int32, error) {
	if !strings.Contains(server, "://") {
		server = "nats://" + server
	}
	u, err := url.Parse(server)
	switch {
	case err != nil:
		return 0, errors.New("it is not an address such as nats://nats.pelton-system.svc:4222") // the cause may hold a password
	case u.Hostname() == "":
		return 0, errors.New("a server has no host")
	case u.User != nil: // also a controller's own, which pods would be given
		return 0, fmt.Errorf("the address of %s has a password or token in it, which whoever may look at a Deployment could read "+
			"(write it without, and give functions credentials from a secret: NATSCredentials or OwnCredentials)", u.Hostname())
	case u.Port() == "":
		return usualPort(u.Scheme), nil
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("%s is not a port", u.Port())
	}
	return int32(port), nil
}

func usualPort(scheme string) int32 {
	switch scheme {
	case "ws":
		return 80
	case "wss":
		return 443
	default:
		return 4222
	}
}

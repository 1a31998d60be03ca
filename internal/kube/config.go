package kube

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// ErrNoConfig is a machine without a kubeconfig, or with one that names no current context.
var ErrNoConfig = errors.New("no cluster is configured")

// Config says which cluster.
type Config struct {
	Kubeconfig string   // path of a file that must be there; "" is Files
	Files      []string // paths of files that may be there, and count together, the first most
	Context    string   // "" is the current one
	UserAgent  string
	Warn       func(text string) // gets what the apiserver warns of; nil is nobody
}

// Cluster is one cluster, as one user sees it. Nothing has been asked of it yet when Open returns.
type Cluster struct {
	Context   string // the name in the kubeconfig
	Server    string // the address of the apiserver
	Namespace string // the default of the context

	dynamic  dynamic.Interface
	http     *http.Client
	settings *rest.Config // for connections that are taken over
	base     *url.URL
}

// Open reads the kubeconfig. An error that is ErrNoConfig means that there is none; any other, that there is one and it is wrong.
func Open(cfg Config) (*Cluster, error) {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: cfg.Kubeconfig, Precedence: cfg.Files}
	raw, err := rules.Load()
	switch {
	case cfg.Kubeconfig != "" && os.IsNotExist(err):
		return nil, fmt.Errorf("read kubeconfig: there is no file %s", cfg.Kubeconfig)
	case err != nil:
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	name, err := contextOf(raw, cfg.Context, places(rules))
	if err != nil {
		return nil, err
	}
	chosen := clientcmd.NewNonInteractiveClientConfig(*raw, name, &clientcmd.ConfigOverrides{}, rules)
	settings, err := chosen.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("context %s of %s: %w", name, places(rules), err)
	}
	namespace, _, err := chosen.Namespace()
	if err != nil {
		return nil, fmt.Errorf("context %s of %s: %w", name, places(rules), err)
	}
	c := &Cluster{Context: name, Server: settings.Host, Namespace: namespace}
	return c, c.connect(settings, cfg)
}

// places are the files that were looked at.
func places(rules *clientcmd.ClientConfigLoadingRules) string {
	if rules.ExplicitPath != "" {
		return rules.ExplicitPath
	}
	return strings.Join(rules.Precedence, ", ")
}

// contextOf chooses a context.
func contextOf(raw *clientcmdapi.Config, name, files string) (string, error) {
	if name == "" {
		name = raw.CurrentContext
	}
	if name == "" {
		return "", fmt.Errorf("%w: no current context in %s", ErrNoConfig, files)
	}
	if raw.Contexts[name] != nil {
		return name, nil
	}
	var known []string
	for other := range raw.Contexts {
		known = append(known, other)
	}
	slices.Sort(known)
	if len(known) == 0 {
		return "", fmt.Errorf("there is no context %q in %s, which has none at all", name, files)
	}
	return "", fmt.Errorf("there is no context %q in %s: it has %s", name, files, strings.Join(known, ", "))
}

// connect makes the clients. They share one way to say who asks.
func (c *Cluster) connect(settings *rest.Config, cfg Config) error {
	settings.UserAgent = cfg.UserAgent
	settings.QPS, settings.Burst = -1, 0 // a command asks little, and the apiserver has limits of its own
	settings.WarningHandler = warnings(cfg.Warn)
	var err error
	if c.http, err = rest.HTTPClientFor(settings); err != nil {
		return fmt.Errorf("context %s: %w", c.Context, err)
	}
	if c.dynamic, err = dynamic.NewForConfigAndClient(settings, c.http); err != nil {
		return fmt.Errorf("context %s: %w", c.Context, err)
	}
	if c.base, _, err = rest.DefaultServerUrlFor(settings); err != nil {
		return fmt.Errorf("context %s: %w", c.Context, err)
	}
	c.settings = settings
	return nil
}

// warnings hands on what an apiserver warns of.
type warnings func(text string)

// HandleWarningHeader implements rest.WarningHandler. 299 is the code of all warnings.
func (w warnings) HandleWarningHeader(code int, _, text string) {
	if w != nil && code == 299 && text != "" {
		w(text)
	}
}

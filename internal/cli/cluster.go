package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/kube"
)

// fieldOwner is who owns what `pelton apply` applies, and holdOwner who holds replicas: a manifest that is applied again leaves
// what another has written alone.
const (
	fieldOwner = "pelton-cli"
	holdOwner  = "pelton-cli-hold"
)

// place is where functions are looked for: a running `pelton up`, or a cluster.
type place struct {
	up      *upState
	cluster *kube.Cluster
}

// findPlace returns the cluster that was named, then a running pelton up, then the cluster of the current context.
func (a *app) findPlace() (place, error) {
	if a.kubeContext == "" && a.kubeconfig == "" {
		state, err := a.findState()
		if state != nil || err != nil {
			return place{up: state}, err
		}
	}
	c, err := a.openCluster()
	if errors.Is(err, kube.ErrNoConfig) && a.kubeconfig == "" {
		return place{}, a.noPlace(err)
	}
	return place{cluster: c}, err
}

// noPlace says that there is neither a pelton up nor a cluster.
func (a *app) noPlace(cause error) error {
	_, err := a.runningUp()
	if e, ok := errors.AsType[*Error](err); ok {
		e.Message += ", and " + cause.Error()
		e.Hint += "; for a cluster: --kubeconfig FILE"
	}
	return cmp.Or(err, cause)
}

// openCluster opens the cluster that was named, or else the one of the current context, and then says which that is.
func (a *app) openCluster() (*kube.Cluster, error) {
	c, err := kube.Open(kube.Config{
		Kubeconfig: a.kubeconfig, Files: a.kubeconfigs(), Context: a.kubeContext, UserAgent: "pelton/" + buildVersion(),
		Warn: func(text string) { a.say("warning: %s", text) },
	})
	if err != nil {
		return nil, err
	}
	if a.kubeContext == "" && a.kubeconfig == "" {
		a.say("cluster: context %s, %s", c.Context, c.Server)
	}
	return c, nil
}

// needCluster is openCluster for commands that nothing else can serve.
func (a *app) needCluster() (*kube.Cluster, error) {
	c, err := a.openCluster()
	if errors.Is(err, kube.ErrNoConfig) {
		return nil, &Error{
			Exit: ExitUsage, Message: "which cluster?", Cause: err,
			Hint: "--kubeconfig FILE or --context NAME; a running pelton up has its functions from its own folders",
		}
	}
	return c, err
}

// kubeconfigs are the files that kubectl reads.
func (a *app) kubeconfigs() []string {
	if list := a.getenv("KUBECONFIG"); list != "" {
		return filepath.SplitList(list)
	}
	if home := a.getenv("HOME"); home != "" {
		return []string{filepath.Join(home, ".kube", "config")}
	}
	return nil
}

// namespaceFlag adds -n.
func namespaceFlag(cmd *cobra.Command, namespace *string) {
	cmd.Flags().StringVarP(namespace, "namespace", "n", "", "namespace of the function; the same as NAMESPACE/FUNCTION "+
		"(default: that of the context, or default)")
}

// findFunction is findPlace for one function, whose namespace is the default of that place if none is given. A name that is
// none is told first.
func (a *app) findFunction(name, namespace string) (place, function.Key, error) {
	key, err := keyIn(name, namespace)
	if err != nil {
		return place{}, key, err
	}
	p, err := a.findPlace()
	if err == nil && p.cluster != nil {
		key, err = keyOn(p.cluster, name, namespace)
	}
	return p, key, err
}

// keyOn is keyIn with the default of the cluster.
func keyOn(c *kube.Cluster, name, namespace string) (function.Key, error) {
	key, err := keyIn(name, namespace)
	if err == nil && namespace == "" && !strings.Contains(name, "/") {
		key.Namespace = c.Namespace
	}
	return key, err
}

// explainCluster gives errors of a cluster their exit code, and says what to do. What was tried is a phrase such as
// "read function shop/hello".
func explainCluster(c *kube.Cluster, tried string, err error) error {
	where := "cannot " + tried
	if _, ok := errors.AsType[*Error](err); ok || err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	network, isNetwork := errors.AsType[*url.Error](err)
	switch {
	case apierrors.IsForbidden(err):
		return &Error{Exit: ExitFailed, Message: where + ": not allowed", Cause: err, Hint: "ask for that right: " + missingRight(err)}
	case apierrors.IsUnauthorized(err):
		return &Error{
			Exit: ExitUnreachable, Message: where + ": the cluster at " + c.Server + " refuses the credentials", Cause: err,
			Hint: "renew those of context " + c.Context + ", or name another with --context",
		}
	case isMissingKind(err):
		return &Error{
			Exit: ExitNotFound, Message: where + ": the cluster at " + c.Server + " does not know such resources", Cause: err,
			Hint: "install Pelton there: kubectl apply -f deploy/crd (and KEDA, if it is missing)",
		}
	case errors.Is(err, context.DeadlineExceeded), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		return &Error{Exit: ExitTimeout, Message: where, Cause: err}
	case isNetwork:
		return &Error{
			Exit: ExitUnreachable, Message: "cannot reach the cluster at " + c.Server + ", context " + c.Context, Cause: network.Err,
			Hint: "check that it runs and the address is right: kubectl --context " + c.Context + " version",
		}
	case apierrors.IsConflict(err):
		return &Error{
			Exit: ExitConflict, Message: where, Cause: err,
			Hint: "somebody else has written it: --force takes those fields over",
		}
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return &Error{Exit: ExitInvalid, Message: where, Cause: err}
	case apierrors.IsNotFound(err):
		return &Error{Exit: ExitNotFound, Message: where, Cause: err, Hint: missingNamespace(err)}
	default:
		return fmt.Errorf("%s: %w", tried, err)
	}
}

// isMissingKind tells a kind that the cluster does not know from an object that is not there: no code answers for it, so the
// apiserver has no reason to give.
func isMissingKind(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || !apierrors.IsNotFound(err) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool {
		return c.Type == metav1.CauseTypeUnexpectedServerResponse
	})
}

// missingRight names what an administrator has to allow.
func missingRight(err error) string {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || status.Status().Details == nil {
		return "see the cause"
	}
	d := status.Status().Details
	if d.Group != "" {
		return "the verb in the cause, on " + d.Kind + "." + d.Group
	}
	return "the verb in the cause, on " + d.Kind
}

// missingNamespace says how to make a namespace, if that is what is missing.
func missingNamespace(err error) string {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || status.Status().Details == nil || status.Status().Details.Kind != "namespaces" {
		return ""
	}
	return "kubectl create namespace " + status.Status().Details.Name
}

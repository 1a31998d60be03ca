package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/kube"
)

// More results of one function than provision has: the words of kubectl.
const (
	stateConfigured = "configured"
	stateMissing    = "not there"
	stateFailed     = "failed"
)

// applyOptions are the flags of apply, diff and delete.
type applyOptions struct {
	files     []string
	namespace string
	force     bool
	wait      bool
	timeout   time.Duration
}

func (o *applyOptions) fileFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&o.files, "filename", "f", nil, "manifest, folder of manifests, or - for stdin; may be repeated")
	cmd.Flags().StringVarP(&o.namespace, "namespace", "n", "", "namespace of manifests that name none (default: that of the context)")
}

func (o *applyOptions) waitFlags(cmd *cobra.Command, until string) {
	cmd.Flags().BoolVar(&o.wait, "wait", false, "wait until "+until)
	cmd.Flags().DurationVar(&o.timeout, "timeout", 2*time.Minute, "how long --wait waits")
}

func (a *app) applyCommand() *cobra.Command {
	var o applyOptions
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Apply functions to a Kubernetes cluster",
		Long: "Apply the functions of manifests to a Kubernetes cluster, where pelton-controller makes what they need. All manifests\n" +
			"are checked first, by every rule; with any problem nothing is applied: exit 7. Fields are applied on the server's\n" +
			"side by the owner pelton-cli: what others have written is left alone, or is a conflict, exit 4, unless --force.\n\n" +
			"With --wait it ends when all functions are ready, which they are at zero replicas too.",
		Example: "  # A folder, until everything is ready\n  pelton apply -f functions/ --wait\n\n" +
			"  # From a program, into a namespace of another cluster\n  pelton apply -f - -n shop --context prod",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.apply(cmd.Context(), o) },
	}
	o.fileFlags(cmd)
	o.waitFlags(cmd, "all functions are ready")
	cmd.Flags().BoolVar(&o.force, "force", false, "take over fields that others own")
	return cmd
}

// applied is what became of one function.
type applied struct {
	Function string `json:"function"` // NAMESPACE/NAME
	State    string `json:"state"`
	Error    string `json:"error,omitempty"`
}

func (a *app) apply(ctx context.Context, o applyOptions) error {
	c, manifests, err := a.openWith(o)
	if err != nil {
		return err
	}
	var results []applied
	var failure error
	for _, m := range manifests {
		r := applied{Function: fullName(m.key())}
		if r.State, err = applyOne(ctx, c, m, o.force); err != nil {
			if isForAll(err) || ctx.Err() != nil {
				return err
			}
			r.State, r.Error = stateFailed, err.Error()
			failure = partly(failure, err, len(manifests))
		}
		if results = append(results, r); !a.json() {
			fmt.Fprintf(a.stdout, "function %s %s\n", r.Function, r.State)
		}
		if r.Error != "" && len(manifests) > 1 {
			a.say("function %s: %s", r.Function, r.Error)
		}
	}
	if failure == nil && o.wait {
		failure = a.waitAll(ctx, c, manifests, o.timeout)
	}
	if a.json() {
		if err := a.writeJSON(listOf(results)); err != nil {
			return err
		}
	}
	return failure
}

// openWith opens the cluster and reads the manifests of -f. The manifests come first: they are wrong everywhere.
func (a *app) openWith(o applyOptions) (*kube.Cluster, []clusterManifest, error) {
	if len(o.files) == 0 {
		return nil, nil, usage("-f FILE, -f FOLDER or -f -", "no manifest is named")
	}
	fns, texts, err := a.readManifests(o.files)
	if err != nil {
		return nil, nil, err
	}
	c, err := a.needCluster()
	if err != nil {
		return nil, nil, err
	}
	manifests, err := a.manifestsFor(namespaces{o.namespace, c.Namespace}, fns, texts)
	return c, manifests, err
}

// fullName names the namespace always: in a cluster there is no namespace that goes without saying.
func fullName(key function.Key) string { return key.Namespace + "/" + key.Name }

func applyOne(ctx context.Context, c *kube.Cluster, m clusterManifest, force bool) (state string, err error) {
	tried := "apply function " + fullName(m.key())
	before, err := c.Get(ctx, kube.Functions(), m.fn.Metadata.Namespace, m.fn.Metadata.Name)
	if err != nil && (isMissingKind(err) || !apierrors.IsNotFound(err)) {
		return "", explainCluster(c, tried, err)
	}
	after, err := c.Apply(ctx, kube.Functions(), m.object, kube.Apply{Owner: fieldOwner, Force: force})
	switch {
	case err != nil:
		return "", explainCluster(c, tried, err)
	case before == nil || before.GetUID() != after.GetUID():
		return stateCreated, nil
	case before.GetResourceVersion() == after.GetResourceVersion(), sameWish(before, after):
		return stateUnchanged, nil
	default:
		return stateConfigured, nil
	}
}

// sameWish reports whether two versions of a Function differ only in what its user does not write: the status changes
// at any time.
func sameWish(a, b *unstructured.Unstructured) bool {
	return a.GetGeneration() == b.GetGeneration() && sameMap(a.GetLabels(), b.GetLabels()) &&
		sameMap(a.GetAnnotations(), b.GetAnnotations())
}

func sameMap(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for name, value := range a {
		if other, ok := b[name]; !ok || other != value {
			return false
		}
	}
	return true
}

// isForAll tells an error that every further function would meet as well.
func isForAll(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Exit == ExitUnreachable || e.Exit == ExitNotFound)
}

// partly is the error of several functions of which some have failed. One alone is its own.
func partly(before, err error, all int) error {
	if all == 1 {
		return err
	}
	n := 1
	if e, ok := errors.AsType[*partlyError](before); ok {
		n = e.failed + 1
	}
	return &partlyError{failed: n, all: all}
}

// partlyError counts.
type partlyError struct{ failed, all int }

// Error says how many.
func (e *partlyError) Error() string {
	return fmt.Sprintf("%d of %s failed", e.failed, plural(e.all, "function"))
}

// Unwrap gives it its exit code.
func (e *partlyError) Unwrap() error { return &Error{Exit: ExitPartly, Message: e.Error()} }

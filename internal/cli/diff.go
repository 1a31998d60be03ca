package cli

import (
	"context"
	"fmt"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/pelton-dev/pelton/internal/kube"
)

func (a *app) diffCommand() *cobra.Command {
	var o applyOptions
	cmd := &cobra.Command{
		Use:   "diff -f FILE",
		Short: "Show what apply would change in a Kubernetes cluster",
		Long: "Show what `pelton apply` would change: the apiserver applies the manifests without storing anything, and the result is\n" +
			"compared with what is there. Exit 0 if nothing would change, 1 if something would.",
		Example: "  # A folder\n  pelton diff -f functions/\n\n" +
			"  # In a pipeline, for a program\n  pelton diff -f functions/ --context prod -o json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.diff(cmd.Context(), o) },
	}
	o.fileFlags(cmd)
	cmd.Flags().BoolVar(&o.force, "force", false, "as apply --force would take fields over")
	return cmd
}

// difference is one function under -o json.
type difference struct {
	Function string `json:"function"`
	State    string `json:"state"` // what apply would say
	Diff     string `json:"diff,omitempty"`
}

func (a *app) diff(ctx context.Context, o applyOptions) error {
	c, manifests, err := a.openWith(o)
	if err != nil {
		return err
	}
	var found []difference
	changes := 0
	for _, m := range manifests {
		d, err := diffOne(ctx, c, m, o.force)
		if err != nil {
			return err
		}
		if found = append(found, d); d.State == stateUnchanged {
			continue
		}
		changes++
		if !a.json() {
			if _, err := fmt.Fprint(a.stdout, d.Diff); err != nil {
				return fmt.Errorf("write output: %w", err)
			}
		}
	}
	if a.json() {
		if err := a.writeJSON(listOf(found)); err != nil {
			return err
		}
	}
	if changes > 0 {
		return &Error{Exit: ExitFailed, Message: fmt.Sprintf("%d of %s would change", changes, plural(len(manifests), "function"))}
	}
	a.say("nothing would change")
	return nil
}

func diffOne(ctx context.Context, c *kube.Cluster, m clusterManifest, force bool) (difference, error) {
	name := fullName(m.key())
	d := difference{Function: name, State: stateUnchanged}
	before, err := c.Get(ctx, kube.Functions(), m.fn.Metadata.Namespace, m.fn.Metadata.Name)
	if err != nil && (isMissingKind(err) || !apierrors.IsNotFound(err)) {
		return d, explainCluster(c, "compare function "+name, err)
	}
	after, err := c.Apply(ctx, kube.Functions(), m.object, kube.Apply{Owner: fieldOwner, DryRun: true, Force: force})
	if err != nil {
		return d, explainCluster(c, "compare function "+name, err)
	}
	old, err := wishText(before)
	if err != nil {
		return d, err
	}
	now, err := wishText(after)
	if err != nil {
		return d, err
	}
	if text := diff.Diff("cluster/"+name, old, m.fn.Origin.File, now); text != nil {
		d.State, d.Diff = stateConfigured, string(text)
	}
	if before == nil {
		d.State = stateCreated
	}
	return d, nil
}

// wishText writes what of an object its users write.
func wishText(o *unstructured.Unstructured) ([]byte, error) {
	if o == nil {
		return nil, nil
	}
	fields := map[string]any{"apiVersion": o.GetAPIVersion(), "kind": o.GetKind(), "spec": o.Object["spec"]}
	metadata := map[string]any{"name": o.GetName(), "namespace": o.GetNamespace()}
	if labels := o.GetLabels(); len(labels) > 0 {
		metadata["labels"] = labels
	}
	if annotations := o.GetAnnotations(); len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	fields["metadata"] = metadata
	text, err := yaml.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("write function %s: %w", o.GetName(), err)
	}
	return text, nil
}

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

func (a *app) deleteCommand() *cobra.Command {
	var o applyOptions
	cmd := &cobra.Command{
		Use:   "delete FUNCTION...",
		Short: "Delete functions from a Kubernetes cluster",
		Long: "Delete functions from a Kubernetes cluster, by name or those of manifests. pelton-controller stops their pods, does with\n" +
			"what waits for them as their onDelete says, and then lets them go. With --wait it ends when they are gone.\n\n" +
			"It is no error if one is not there, unless it was named and none is.",
		Example: "  # By name\n  pelton delete thumbnail -n shop --wait\n\n  # Everything of a folder\n  pelton delete -f functions/",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.deleteFunctions(cmd.Context(), args, o)
		},
	}
	o.fileFlags(cmd)
	o.waitFlags(cmd, "all functions are gone")
	return cmd
}

func (a *app) deleteFunctions(ctx context.Context, names []string, o applyOptions) error {
	c, keys, err := a.toDelete(names, o)
	if err != nil {
		return err
	}
	var results []applied
	var gone []*unstructured.Unstructured
	var failure error
	for _, key := range keys {
		r := applied{Function: fullName(key)}
		object, err := deleteOne(ctx, c, key)
		switch {
		case err != nil && (isForAll(err) || ctx.Err() != nil):
			return err
		case err != nil:
			r.State, r.Error = stateFailed, err.Error()
			failure = partly(failure, err, len(keys))
		case object == nil:
			r.State = stateMissing
		default:
			r.State = stateDeleted
			gone = append(gone, object)
		}
		if results = append(results, r); !a.json() {
			fmt.Fprintf(a.stdout, "function %s %s\n", r.Function, r.State)
		}
	}
	if failure == nil && len(gone) == 0 && len(names) > 0 {
		failure = a.noSuchFunction(ctx, c, keys[0])
	}
	if failure == nil && o.wait {
		failure = a.waitGone(ctx, c, gone, o.timeout)
	}
	if a.json() {
		if err := a.writeJSON(listOf(results)); err != nil {
			return err
		}
	}
	return failure
}

// toDelete are the functions that were named, or those of manifests.
func (a *app) toDelete(names []string, o applyOptions) (*kube.Cluster, []function.Key, error) {
	if (len(names) == 0) == (len(o.files) == 0) {
		return nil, nil, usage("pelton delete FUNCTION, or -f FILE", "want names of functions, or manifests, and not both")
	}
	var keys []function.Key
	if len(names) > 0 {
		c, err := a.needCluster()
		if err != nil {
			return nil, nil, err
		}
		for _, name := range names {
			key, err := keyOn(c, name, o.namespace)
			if err != nil {
				return nil, nil, err
			}
			keys = append(keys, key)
		}
		return c, keys, nil
	}
	c, manifests, err := a.openWith(o)
	for _, m := range manifests {
		keys = append(keys, m.key())
	}
	return c, keys, err
}

// deleteOne returns what it has deleted, nil if there was nothing.
func deleteOne(ctx context.Context, c *kube.Cluster, key function.Key) (*unstructured.Unstructured, error) {
	tried := "delete function " + fullName(key)
	o, err := c.Get(ctx, kube.Functions(), key.Namespace, key.Name)
	if err == nil {
		err = c.Delete(ctx, kube.Functions(), o)
	}
	switch {
	case apierrors.IsNotFound(err) && !isMissingKind(err):
		return nil, nil
	case err != nil:
		return nil, explainCluster(c, tried, err)
	}
	return o, nil
}

// waitGone waits until these very objects are gone.
func (a *app) waitGone(ctx context.Context, c *kube.Cluster, objects []*unstructured.Unstructured, timeout time.Duration) error {
	for _, o := range objects {
		key := function.Key{Namespace: o.GetNamespace(), Name: o.GetName()}
		err := a.poll(ctx, timeout, func(ctx context.Context) (string, error) {
			now, err := c.Get(ctx, kube.Functions(), key.Namespace, key.Name)
			switch {
			case apierrors.IsNotFound(err) && !isMissingKind(err), err == nil && now.GetUID() != o.GetUID():
				return "", nil
			case err != nil:
				return "", explainCluster(c, "wait for function "+fullName(key), err)
			default:
				s := readiness(now)
				return s.text(), nil
			}
		})
		if late, ok := errors.AsType[*lateError](err); ok {
			return &Error{
				Exit: ExitTimeout, Message: fmt.Sprintf("function %s is not gone after %s: %s", fullName(key), timeout, late.last),
				Hint: "pelton why " + fullName(key),
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// noSuchFunction says that there is none, and which one may have been meant.
func (a *app) noSuchFunction(ctx context.Context, c *kube.Cluster, key function.Key) error {
	e := &Error{
		Exit: ExitNotFound, Message: fmt.Sprintf("there is no function %s in the cluster %s", fullName(key), c.Context),
		Hint: "pelton functions list -A",
	}
	all, err := c.List(ctx, kube.Functions(), "", kube.Selector{})
	if err != nil {
		all, err = c.List(ctx, kube.Functions(), key.Namespace, kube.Selector{})
	}
	if err != nil {
		return e
	}
	var names []string
	for i := range all {
		name := fullName(function.Key{Namespace: all[i].GetNamespace(), Name: all[i].GetName()})
		if names = append(names, name); all[i].GetName() == key.Name {
			e.Hint = "did you mean " + name + "?"
			return e
		}
	}
	if near := closest(fullName(key), names); near != "" {
		e.Hint = "did you mean " + near + "? pelton functions list -A"
	}
	return e
}

package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
)

// fieldOwner is who owns what we apply, and replicasOwner who owns the number of replicas until KEDA changes it.
const (
	fieldOwner    = client.FieldOwner("pelton-controller")
	replicasOwner = client.FieldOwner("pelton-controller-replicas")
)

// appliedAnnotation holds the hash of what was applied last.
const appliedAnnotation = "pelton.dev/applied-hash"

// nameTaken is an object that stands where one of ours should, and is somebody else's.
type nameTaken struct{ what string }

func (e *nameTaken) Error() string {
	return e.what + " exists and does not belong to this function (delete it, or give the function another name)"
}

// applier brings objects to what is desired of them.
type applier struct {
	client client.Client // reads from the cache
	live   client.Reader // reads from the apiserver
}

// apply brings one object, which is signed, to what is desired. It writes nothing if the object is as it should be. A Deployment
// begins with the least replicas.
func (a *applier) apply(ctx context.Context, owner, want *unstructured.Unstructured, least int) error {
	have, err := read(ctx, a.client, want)
	if err != nil {
		return err
	}
	if have != nil && metav1.IsControlledBy(have, owner) && isApplied(want, have) {
		return nil
	}
	if have, err = read(ctx, a.live, want); err != nil { // the cache may be behind, and it holds our own objects alone
		return err
	}
	switch {
	case have != nil && !metav1.IsControlledBy(have, owner):
		return &nameTaken{describe(want)}
	case have != nil && have.GetDeletionTimestamp() != nil:
		return fmt.Errorf("apply %s: it is being deleted", describe(want))
	case want.GroupVersionKind() == desired.DeploymentKind:
		return a.applyDeployment(ctx, want, have, int64(least))
	}
	return a.write(ctx, want, fieldOwner, client.ForceOwnership)
}

func (a *applier) write(ctx context.Context, o *unstructured.Unstructured, opts ...client.ApplyOption) error {
	if err := a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(o.DeepCopy()), opts...); err != nil {
		return fmt.Errorf("apply %s: %w", describe(o), err)
	}
	return nil
}

// sign makes objects the owner's, and adds the hash of each to it.
func sign(owner *unstructured.Unstructured, objects []*unstructured.Unstructured) error {
	for _, o := range objects {
		o.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(owner, v1alpha1.FunctionKind)})
		if err := addHash(o); err != nil {
			return err
		}
	}
	return nil
}

func addHash(o *unstructured.Unstructured) error {
	text, err := json.Marshal(o.Object)
	if err != nil {
		return fmt.Errorf("encode %s: %w", describe(o), err)
	}
	sum := sha256.Sum256(text)
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[appliedAnnotation] = hex.EncodeToString(sum[:])[:16]
	o.SetAnnotations(annotations)
	return nil
}

// isApplied reports whether an object is as it is wanted: it was applied so, and nobody has changed it since.
func isApplied(want, have *unstructured.Unstructured) bool {
	return have.GetDeletionTimestamp() == nil && difference("", want.Object, have.Object) == ""
}

// isLatest reports whether an object was read since it was applied last: a cache may be behind, and would tell of a Deployment
// with all its replicas that it is rolled out, when that has not even begun.
func isLatest(want, have *unstructured.Unstructured) bool {
	return have != nil && have.GetAnnotations()[appliedAnnotation] == want.GetAnnotations()[appliedAnnotation]
}

// read returns nil if the object is not there.
func read(ctx context.Context, from client.Reader, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	have := &unstructured.Unstructured{}
	have.SetGroupVersionKind(o.GroupVersionKind())
	err := from.Get(ctx, client.ObjectKeyFromObject(o), have)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", describe(o), err)
	}
	return have, nil
}

func describe(o *unstructured.Unstructured) string {
	return o.GetKind() + " " + o.GetName()
}

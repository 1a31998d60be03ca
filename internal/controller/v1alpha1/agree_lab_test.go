package v1alpha1_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/lab"
	"github.com/pelton-dev/pelton/internal/testenv"
	"github.com/pelton-dev/pelton/internal/waittest"
)

const labNamespace = "crd-agree"

// TestAgreeInALab is TestAgree with a real apiserver: it is asked whether it would create each manifest, and creates none.
func TestAgreeInALab(t *testing.T) {
	t.Parallel()
	testenv.NeedLab(t)
	client := labClient(t)
	cases := allCases(t)
	verdicts := make([]error, len(cases))
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(8)
	for i, c := range cases {
		group.Go(func() (err error) {
			verdicts[i], err = dryRun(ctx, client, c.text)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	compare(t, cases, verdicts)
}

// dryRun returns what the apiserver refuses, or that it gave no verdict.
func dryRun(ctx context.Context, client rest.Interface, text []byte) (refused, err error) {
	err = client.Post().Namespace(labNamespace).Resource("functions").Param("dryRun", "All").Param("fieldValidation", "Strict").
		Body(text).Do(ctx).Error()
	status, isStatus := errors.AsType[*apierrors.StatusError](err)
	switch {
	case err == nil:
		return nil, nil
	case isStatus && (status.ErrStatus.Code == http.StatusBadRequest || status.ErrStatus.Code == http.StatusUnprocessableEntity):
		return err, nil
	default:
		return nil, err
	}
}

// labClient has the resource definition and a namespace made.
func labClient(t *testing.T) rest.Interface {
	t.Helper()
	l, err := lab.Open("")
	if err != nil {
		t.Fatal(err)
	}
	kubectl := func(in string, args ...string) error {
		_, err := l.Kubectl(context.WithoutCancel(t.Context()), in, args...)
		return err
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(kubectl("", "apply", "--server-side", "--force-conflicts", "-f", definition))
	must(kubectl("", "wait", "--for=condition=Established", "crd/functions.pelton.dev"))
	must(kubectl("{apiVersion: v1, kind: Namespace, metadata: {name: "+labNamespace+"}}", "apply", "-f", "-"))
	t.Cleanup(func() {
		if err := kubectl("", "delete", "namespace", labNamespace, "--wait=false"); err != nil {
			t.Error(err)
		}
	})
	config, err := clientcmd.BuildConfigFromFlags("", l.Kubeconfig())
	must(err)
	config.GroupVersion, config.APIPath, config.QPS = &schema.GroupVersion{Group: v1alpha1.GroupVersion.Group, Version: "v1alpha1"}, "/apis", -1
	config.NegotiatedSerializer, config.ContentType = scheme.Codecs.WithoutConversion(), "application/json"
	client, err := rest.RESTClientFor(config)
	must(err)
	waitForDefinition(t, client)
	return client
}

// waitForDefinition waits until the apiserver judges by the definition that was just applied: it takes that up a little later.
func waitForDefinition(t *testing.T, client rest.Interface) {
	t.Helper()
	bad := caseOf(t, "a zone", change{"spec.triggers.1.schedule.timeZone", "Local"})
	waittest.Eventually(t, func() error {
		refused, err := dryRun(t.Context(), client, bad.text)
		if err == nil && refused == nil {
			err = errors.New("the apiserver does not judge by the definition yet")
		}
		return err
	})
}

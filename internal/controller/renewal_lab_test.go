package controller_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
)

// TestRenewalOfWhatRuns edits a function that runs into one that NATS has no stream for, and into one that no rule allows: its pods
// go on with the manifest before, so their credentials are renewed all the same.
func TestRenewalOfWhatRuns(t *testing.T) {
	r := start(t, "ctl-renewal", withCredentials(12*time.Second))
	r.kubectl(hello(r.namespace, ""), "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	expires := func() time.Time {
		t.Helper()
		secret, err := r.get(secrets, "hello-pfn-nats")
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, secret.GetAnnotations()[desired.ExpiresAnnotation])
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, edit := range []struct{ what, trigger, condition, reason string }{
		{"no stream", "{stream: NOWHERE, subjects: [a]}", v1alpha1.StreamReady, v1alpha1.ReasonMismatch},
		{"no filter", `{subjects: [events.hello], filter: "1 +"}`, v1alpha1.Accepted, v1alpha1.ReasonInvalid},
	} {
		r.kubectl(strings.Replace(hello(r.namespace, ""), "{subjects: [events.hello]}", edit.trigger, 1), "apply", "-f", "-")
		r.awaitCondition("hello", edit.condition, "False", edit.reason)
		for range 2 { // what was due at the edit may have been on its way
			before := expires()
			await(t, edit.what+": the credentials are renewed", func() error {
				if at := expires(); !at.After(before) {
					return fmt.Errorf("they hold for %v", time.Until(at))
				}
				return nil
			})
		}
	}
}

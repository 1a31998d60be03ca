package controller_test

import (
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
)

// TestSecretsByReference gives a handler a secret as a variable and as a file, in a namespace that lets restricted pods alone in.
// The function is there before its secret: KEDA watches it all the same, and the event that comes meanwhile waits for the secret and
// loses no attempt.
func TestSecretsByReference(t *testing.T) {
	r := startScaling(t, "ctl-secrets")
	if _, err := r.lab.LoadProgram(t.Context(), tellerImage, "internal/controller/testdata/teller"); err != nil {
		t.Fatal(err)
	}
	const loose = `{apiVersion: v1, kind: Pod, metadata: {name: loose, namespace: ctl-secrets}, spec: {containers: [{name: c, image: none}]}}`
	if _, err := r.lab.Kubectl(t.Context(), loose, "apply", "--dry-run=server", "-f", "-"); err == nil ||
		!strings.Contains(err.Error(), `violates PodSecurity "restricted`) {
		t.Errorf("a pod without restrictions: %v", err)
	}
	l := newLedger(r)
	r.kubectl(strings.Replace(l.teller(), "{name: VERSION, value: one}]", `{name: VERSION, value: one},
    {name: SECRET, valueFrom: {secretKeyRef: {name: shop, key: token}}}, {name: SECRET_FILE, value: /etc/shop/password}],
    mounts: [{path: /etc/shop, secret: shop}]`, 1), "apply", "-f", "-")
	r.awaitCondition("teller", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	if _, err := r.js.Publish(t.Context(), "events.a", []byte(`{"id":"early"}`)); err != nil {
		t.Fatal(err)
	}
	r.awaitReplicas("teller", 1)
	const values = `{apiVersion: v1, kind: Secret, metadata: {name: shop, namespace: ctl-secrets}, stringData: {token: t0ken, password: "pass\n"}}`
	r.kubectl(values, "apply", "-f", "-")
	for _, c := range []told{l.awaitCall("early"), l.call("events.a", "late")} {
		if c.Secret != "t0ken" || c.File != "pass\n" || c.Attempt != 1 {
			t.Errorf("%s comes in attempt %d, with %q in the environment and %q in the file", c.ID, c.Attempt, c.Secret, c.File)
		}
	}
	if touched := r.secretWrites(); len(touched) > 0 {
		t.Errorf("the controller has written secrets: %v", touched)
	}
}

package kube

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/pelton-dev/pelton/internal/lab"
	"github.com/pelton-dev/pelton/internal/testenv"
	"github.com/pelton-dev/pelton/internal/waittest"
)

const forwardObjects = `
{apiVersion: v1, kind: Namespace, metadata: {name: kube-forward}}
---
apiVersion: v1
kind: Pod
metadata: {name: hello, namespace: kube-forward}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: hello
      image: ` + lab.HelloImage + `
      imagePullPolicy: Never
      env: [{name: PELTON_PROTOCOL, value: cloudevents}, {name: PELTON_HOST, value: 127.0.0.1}, {name: PORT, value: "8080"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: creator, namespace: kube-forward}
rules: [{apiGroups: [""], resources: [pods/portforward], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: creator, namespace: kube-forward}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: creator}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: kube-forward-creator}]
`

// TestDialInALab reaches a port that is open on a pod's loopback alone, and reads why others cannot be reached.
func TestDialInALab(t *testing.T) {
	t.Parallel()
	testenv.NeedLab(t)
	l := startPod(t)
	admin, err := Open(Config{Kubeconfig: l.Kubeconfig()})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*Cluster{"websocket": admin, "spdy": as(admin, "kube-forward-creator")} {
		waittest.Eventually(t, func() error { // a probe does not reach the loopback: the pod is ready before it listens
			greeting, err := greet(t, c, 8080)
			if err == nil && !strings.Contains(greeting, "hello, lab") {
				err = fmt.Errorf("%s: the answer is %q", name, greeting)
			}
			return err
		})
		if _, err := greet(t, c, 8079); err == nil || !strings.Contains(err.Error(), "forward kube-forward/hello:8079: ") ||
			!strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: a port where nobody listens: %v", name, err)
		}
	}
	if _, err := admin.Dial(t.Context(), "kube-forward", "gone", 8080); !apierrors.IsNotFound(err) {
		t.Errorf("a pod that is gone: %v", err)
	}
	_, err = as(admin, "kube-forward-nobody").Dial(t.Context(), "kube-forward", "hello", 8080)
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "pods/portforward") {
		t.Errorf("without rights: %v", err)
	}
}

func startPod(t *testing.T) *lab.Cluster {
	t.Helper()
	l, err := lab.Open("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := l.Kubectl(context.Background(), "", "delete", "namespace", "kube-forward"); err != nil {
			t.Errorf("delete the namespace: %v: %s", err, out)
		}
	})
	if out, err := l.Kubectl(t.Context(), forwardObjects, "apply", "-f", "-"); err != nil {
		t.Fatalf("apply: %v: %s", err, out)
	}
	out, err := l.Kubectl(t.Context(), "", "-n", "kube-forward", "wait", "--for=condition=Ready", "pod/hello", "--timeout=2m")
	if err != nil {
		t.Fatalf("wait: %v: %s", err, out)
	}
	return l
}

// as is the cluster as another user sees it.
func as(c *Cluster, user string) *Cluster {
	other := *c
	other.settings = rest.CopyConfig(c.settings)
	other.settings.Impersonate.UserName = user
	return &other
}

// greet sends one event to the function.
func greet(t *testing.T, c *Cluster, port int) (string, error) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return c.Dial(t.Context(), "kube-forward", "hello", port)
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://pod/", strings.NewReader(`{"name": "lab"}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/lab", "ce-type": "lab", "Content-Type": "application/json",
	} {
		req.Header.Set(name, value)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

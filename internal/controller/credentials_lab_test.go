package controller_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/natsauth"
	"github.com/pelton-dev/pelton/internal/stream"
)

// credsSidecarImage is the sidecar as it is in the tree now; others use that of the lab at the same time.
const credsSidecarImage = "pelton.local/ctl-sidecar-creds:test"

var secrets = schema.GroupVersionKind{Version: "v1", Kind: "Secret"}

// secured is a NATS in operator mode, on which the controller, the scaler and each function have their own rights and no more.
type secured struct {
	operator *natsauth.Operator
	account  int // of the operator's, that everything of the rig is in
	lifetime time.Duration
}

// withCredentials has NATS ask who comes, and functions given credentials that hold so long.
func withCredentials(lifetime time.Duration) func(*rig) {
	return func(r *rig) {
		o, err := natsauth.NewOperator("lab", "a", "b")
		if err != nil {
			r.t.Fatal(err)
		}
		r.secure = &secured{operator: o, lifetime: lifetime}
	}
}

func (r *rig) configure(o *server.Options) {
	if r.secure == nil {
		return
	}
	if err := o.ProcessConfigString(r.secure.operator.ServerConfig()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) issuer() *natsauth.Issuer {
	if r.secure == nil {
		return nil
	}
	a := r.secure.operator.Accounts[r.secure.account]
	i, err := natsauth.NewIssuer(a.Signing, a.PublicKey, r.secure.lifetime)
	if err != nil {
		r.t.Fatal(err)
	}
	return i
}

// as connects with permissions and in the inboxes that they allow.
func (r *rig) as(p natsauth.Permissions) []nats.Option {
	r.t.Helper()
	if r.secure == nil {
		return nil
	}
	content, err := r.issuer().Permanent("lab", p, time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	options := []nats.Option{nats.UserCredentialBytes(content)}
	if inbox, own := strings.CutSuffix(p.Subscribe[0], ".>"); own {
		options = append(options, nats.CustomInboxPrefix(inbox))
	}
	return options
}

// TestOwnCredentials runs a function on a NATS that asks who comes: from zero to an answer and back, with the rights of each
// program alone, and on with credentials that are renewed while a pod has them mounted. A reconciliation writes nothing in
// between, and the controller never asks for a secret.
func TestOwnCredentials(t *testing.T) {
	r := start(t, "ctl-creds", withCredentials(3*time.Minute))
	if _, err := r.lab.LoadProgram(t.Context(), credsSidecarImage, "cmd/pelton-sidecar"); err != nil {
		t.Fatal(err)
	}
	r.settings.SidecarImage = credsSidecarImage
	r.restartController()
	r.kubectl(strings.Replace(hello(r.namespace, ""), "minReplicas: 0", "minReplicas: 1", 1), "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	secret, err := r.get(secrets, "hello-pfn-nats")
	if err != nil {
		t.Fatal(err)
	}
	expires, err := time.Parse(time.RFC3339, secret.GetAnnotations()[desired.ExpiresAnnotation])
	if left := time.Until(expires); err != nil || left < time.Minute || left > 3*time.Minute {
		t.Errorf("the credentials hold for %v, %v", left, err)
	}
	r.greet(1)

	before := len(r.secretWrites())
	r.kubectl("", "-n", r.namespace, "annotate", "deployment", "hello-pfn", "test=1") // a reason to look at the function
	r.greet(2)
	if n := len(r.secretWrites()); n != before && time.Until(expires) > 90*time.Second {
		t.Errorf("the secret was written without a reason: %v", r.secretWrites())
	}
	version := secret.GetResourceVersion()
	r.restartController() // the new one knows nothing of the secret, and makes the same of it
	await(t, "the new controller has looked", func() error {
		if n := len(r.secretWrites()); n <= before {
			return fmt.Errorf("%d writes of the secret", n)
		}
		return nil
	})
	if secret, err = r.get(secrets, "hello-pfn-nats"); err != nil || secret.GetResourceVersion() != version &&
		secret.GetAnnotations()[desired.ExpiresAnnotation] == expires.Format(time.RFC3339) {
		t.Errorf("the same credentials were written as if they were others: version %s, %s, %v", version, secret.GetResourceVersion(), err)
	}
	await(t, "renewed credentials", func() error {
		secret, err := r.get(secrets, "hello-pfn-nats")
		if err == nil && secret.GetAnnotations()[desired.ExpiresAnnotation] == expires.Format(time.RFC3339) {
			err = fmt.Errorf("until %v", expires)
		}
		return err
	})
	await(t, "a sidecar that connects with them", func() error {
		out := r.kubectl("", "-n", r.namespace, "logs", "deployment/hello-pfn", "-c", "sidecar")
		if !strings.Contains(out, "credentials were renewed") {
			return fmt.Errorf("it says %s", out)
		}
		return nil
	})
	r.greet(3)
	r.deleteAll("hello")
	await(t, "the secret is gone", func() error {
		if _, err := r.get(secrets, "hello-pfn-nats"); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there: %w", err)
		}
		return nil
	})
}

// greet publishes, and waits for that many answers.
func (r *rig) greet(want uint64) {
	r.t.Helper()
	if _, err := r.js.Publish(r.t.Context(), "events.hello", []byte(`{"name":"you"}`)); err != nil {
		r.t.Fatal(err)
	}
	await(r.t, fmt.Sprintf("greeting %d", want), func() error {
		s, err := r.js.Stream(r.t.Context(), stream.EventsStream)
		if err != nil {
			return err
		}
		if n := s.CachedInfo().State.Msgs; n != 2*want {
			return fmt.Errorf("%d events and greetings, want %d", n, 2*want)
		}
		return nil
	})
}

// secretWrites are the controller's requests that concern secrets.
func (r *rig) secretWrites() (found []string) {
	for _, line := range r.writes.all() {
		if strings.Contains(line, "/secrets") {
			found = append(found, line)
		}
	}
	return found
}

// TestTakenSecret finds a secret of somebody else where the function's own should be, and leaves it alone.
func TestTakenSecret(t *testing.T) {
	r := start(t, "ctl-taken", withCredentials(0))
	r.kubectl("{apiVersion: v1, kind: Secret, metadata: {name: hello-pfn-nats, namespace: "+r.namespace+"}, stringData: {mine: value}}",
		"apply", "-f", "-")
	r.kubectl(hello(r.namespace, ""), "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.WorkloadReady, "False", v1alpha1.ReasonNameTaken)
	secret, err := r.get(secrets, "hello-pfn-nats")
	if err != nil || len(secret.GetOwnerReferences()) > 0 || len(secret.GetAnnotations()[desired.ExpiresAnnotation]) > 0 {
		t.Errorf("the secret became %v, %v", secret, err)
	}
	r.kubectl("", "-n", r.namespace, "delete", "secret", "hello-pfn-nats")
	r.awaitCondition("hello", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
}

package controller_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/natsauth"
	"github.com/pelton-dev/pelton/internal/stream"
)

// inAccountB has everything of a rig in the second account of another rig's NATS.
func inAccountB(of *rig) func(*rig) {
	return func(r *rig) {
		r.nats = of.nats
		r.secure = &secured{operator: of.secure.operator, account: 1, lifetime: of.secure.lifetime}
	}
}

// TestAccountsKeepNamespacesApart has two namespaces with an account, a controller and a scaler each, on one NATS, and in both the
// same function of the same subjects. What happens in one is nothing to the other, and whoever has all rights in one account sees
// and reaches nothing of the other's, also with what a pod has mounted.
func TestAccountsKeepNamespacesApart(t *testing.T) {
	a := start(t, "ctl-account-a", withCredentials(time.Hour))
	b := start(t, "ctl-account-b", inAccountB(a))
	for _, r := range []*rig{a, b} {
		r.kubectl(hello(r.namespace, ""), "apply", "-f", "-")
	}
	for _, r := range []*rig{a, b} {
		r.awaitCondition("hello", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	}
	heard := a.hearEverything()
	b.greet(1)
	b.awaitCondition("hello", v1alpha1.Active, "False", v1alpha1.ReasonIdle)
	a.untouched(heard)

	a.greet(1)
	if n := b.stored(); n != 2 {
		t.Errorf("account b stores %d events after one of a, want the 2 of before", n)
	}
	a.cannotReach(b)
}

// hearEverything subscribes to all that may be subscribed to in the rig's account, and returns the events among it.
func (r *rig) hearEverything() (events func() []string) {
	r.t.Helper()
	nc := r.nats.Conn(r.t, r.as(natsauth.Everything())...)
	var mu sync.Mutex
	var list []string
	_, err := nc.Subscribe(">", func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasPrefix(m.Subject, "events.") {
			list = append(list, m.Subject)
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return func() []string {
		if err := nc.Flush(); err != nil { // what was sent before has come
			r.t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		return list
	}
}

// stored is how many events the rig's account has.
func (r *rig) stored() uint64 {
	r.t.Helper()
	s, err := r.js.Stream(r.t.Context(), stream.EventsStream)
	if err != nil {
		r.t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// untouched makes sure that nothing has come to the rig: no event was stored or heard, none was delivered, and no pod wanted.
func (r *rig) untouched(heard func() []string) {
	r.t.Helper()
	if n, events := r.stored(), heard(); n > 0 || len(events) > 0 {
		r.t.Errorf("%d events are stored and %v were heard, all of another account", n, events)
	}
	c, err := r.js.Consumer(r.t.Context(), stream.EventsStream, r.consumer())
	if err != nil {
		r.t.Fatal(err)
	}
	if d := c.CachedInfo().Delivered.Consumer; d > 0 {
		r.t.Errorf("%d events were delivered", d)
	}
	if n := r.replicas("hello"); n != 0 {
		r.t.Errorf("%d replicas", n)
	}
}

// consumer is the name of hello's consumer.
func (r *rig) consumer() string {
	r.t.Helper()
	s, err := r.js.Stream(r.t.Context(), stream.EventsStream)
	if err != nil {
		r.t.Fatal(err)
	}
	for name := range s.ConsumerNames(r.t.Context()).Name() {
		if strings.Contains(name, r.namespace) {
			return name
		}
	}
	r.t.Fatalf("hello of %s has no consumer", r.namespace)
	return ""
}

// cannotReach tries to get at the other's events: with all rights of the account, and with the credentials that a pod has.
func (r *rig) cannotReach(other *rig) {
	r.t.Helper()
	consumer := other.consumer()
	if _, err := r.js.Consumer(r.t.Context(), stream.EventsStream, consumer); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		r.t.Errorf("look up the consumer of the other account: %v", err)
	}
	for who, option := range map[string]nats.Option{
		"administrator": r.as(natsauth.Everything())[0], "pod": nats.UserCredentialBytes(r.podCredentials()),
	} {
		nc := r.nats.Conn(r.t, option, nats.CustomInboxPrefix("_INBOX_PELTON."+r.namespace+".hello"))
		for _, subject := range []string{
			"$JS.API.CONSUMER.MSG.NEXT." + stream.EventsStream + "." + consumer,
			"$JS.API.CONSUMER.INFO." + stream.EventsStream + "." + consumer,
		} {
			m, err := nc.Request(subject, nil, 2*time.Second)
			if err == nil && !strings.Contains(string(m.Data), "consumer not found") {
				r.t.Errorf("%s of %s is answered on %s: %s", who, r.namespace, subject, m.Data)
			}
		}
	}
	if n := other.stored(); n != 2 {
		r.t.Errorf("account of %s has %d events", other.namespace, n)
	}
}

// podCredentials are those that pods of hello have mounted.
func (r *rig) podCredentials() []byte {
	r.t.Helper()
	secret, err := r.get(secrets, "hello-pfn-nats")
	if err != nil {
		r.t.Fatal(err)
	}
	data, _, _ := unstructured.NestedStringMap(secret.Object, "data")
	for _, value := range data {
		if content, err := base64.StdEncoding.DecodeString(value); err == nil && strings.Contains(string(content), "NATS USER JWT") {
			return content
		}
	}
	r.t.Fatalf("the secret holds no credentials, but %d keys", len(data))
	return nil
}

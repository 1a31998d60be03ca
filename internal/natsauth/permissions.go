package natsauth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/jwt/v2"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// Permissions are the subjects that somebody may publish to and subscribe to. There are no others: what is not listed is
// refused.
type Permissions struct {
	Publish   []string
	Subscribe []string
}

// InboxOf is the prefix of all inboxes of a function. The usual one, _INBOX, is everybody's: who may listen there hears what is
// delivered to others.
func InboxOf(key function.Key) string {
	return strings.TrimSuffix(event.InboxPrefix(key.Namespace, key.Name), ".")
}

// OfFunction is what a sidecar needs that makes no consumers itself: to pull from the consumers of its function, to settle what came
// from there, and to look at the one on its own queue. It may store parks, dead letters, run records and results of its own function, and replies where its manifest
// says; and it may tell how busy it is.
//
// earlier are manifests of the same function that some of its pods still run: they have one file with those of the latest, and must
// be able to settle what they have in work.
func OfFunction(fn *function.Function, earlier ...*function.Function) (Permissions, error) {
	key := fn.Key()
	dead, err := event.DeadSubject(key.Namespace, key.Name)
	if err != nil {
		return Permissions{}, err
	}
	runs, err := event.RunSubject(key.Namespace, key.Name)
	if err != nil {
		return Permissions{}, err
	}
	own, results := key.Namespace+"."+key.Name, event.ResultPrefix(key.Namespace, key.Name)+"*"
	bodies := event.BodyPrefix(key.Namespace, key.Name) + "*.*"
	p := Permissions{
		Publish: []string{
			dead, runs, "pelton.park." + own + ".*.*", "pelton.busy." + own + ".*",
			// Calls may be in its queue when its manifest has no HTTP trigger any more.
			results, "$JS.API.DIRECT.GET." + stream.ResultStream + "." + results, "pelton.callback." + own + ".*",
			// It reads its bodies, and puts nothing in their place. The names of consumers there are their makers' secrets.
			bodies, "$JS.API.CONSUMER.CREATE." + stream.BodiesStream + ".*." + bodies,
			"$JS.API.CONSUMER.MSG.NEXT." + stream.BodiesStream + ".*", "$JS.API.CONSUMER.DELETE." + stream.BodiesStream + ".*",
		},
		Subscribe: []string{InboxOf(key) + ".>"},
	}
	for _, manifest := range append([]*function.Function{fn}, earlier...) {
		if manifest.Key() != key {
			return Permissions{}, fmt.Errorf("%s is no earlier manifest of %s", manifest.Key(), key)
		}
		if r := manifest.Spec.Reply; r != nil {
			p.Publish = append(p.Publish, r.Subject)
		}
		if slices.ContainsFunc(manifest.Spec.Triggers, func(t function.Trigger) bool { return t.HTTP != nil }) {
			p.Publish = append(p.Publish, event.AnswerPrefix(key.Namespace, key.Name)+"*.*")
		}
		if manifest.Spec.Ordering != nil {
			p.addOrder(manifest)
		}
		for _, c := range stream.ConsumersOf(manifest) {
			p.Publish = append(p.Publish, pull(c.Stream, c.Name))
			p.Publish = append(p.Publish, acks(c.Stream, c.Name)...)
			if c.Work() { // it says what the newest manifest asks for
				p.Publish = append(p.Publish, "$JS.API.CONSUMER.INFO."+c.Stream+"."+c.Name)
			}
		}
	}
	p.sort()
	return p, nil
}

// addOrder adds what a function with an order needs: to write who leads it, to look at its consumers, and to have its replicas
// talk to each other.
func (p *Permissions) addOrder(fn *function.Function) {
	key := fn.Key()
	lease, others := stream.LeaseSubject(key), "pelton.order."+key.Namespace+"."+key.Name+".>"
	p.Publish = append(p.Publish, lease, "$JS.API.DIRECT.GET."+stream.LeaseStream+"."+lease, others, InboxOf(key)+".>")
	p.Subscribe = append(p.Subscribe, others)
	for _, c := range stream.ConsumersOf(fn) {
		p.Publish = append(p.Publish, "$JS.API.CONSUMER.INFO."+c.Stream+"."+c.Name)
	}
}

// sort puts the lists in order, each subject once.
func (p *Permissions) sort() {
	slices.Sort(p.Publish)
	slices.Sort(p.Subscribe)
	p.Publish, p.Subscribe = slices.Compact(p.Publish), slices.Compact(p.Subscribe)
}

// Everything is for a person who looks after the server: each subject of the account.
func Everything() Permissions { return Permissions{Publish: []string{">"}, Subscribe: []string{">"}} }

// pull is where one asks a consumer for messages.
func pull(stream, consumer string) string {
	return "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer
}

// acks are where what a consumer delivered is acknowledged, handed back, or said to be in progress. The second form has the
// domain and the account before the stream; a server uses it when its feature js_ack_fc_v2 is on.
func acks(stream, consumer string) []string {
	return []string{
		"$JS.ACK." + stream + "." + consumer + ".>",
		"$JS.ACK.*.*." + stream + "." + consumer + ".>",
	}
}

// claims are the permissions as they stand in credentials. An empty list would mean everything there.
func (p Permissions) claims() jwt.Permissions {
	var c jwt.Permissions
	c.Pub.Allow, c.Sub.Allow = p.Publish, p.Subscribe
	if len(p.Publish) == 0 {
		c.Pub.Deny = jwt.StringList{">"}
	}
	if len(p.Subscribe) == 0 {
		c.Sub.Deny = jwt.StringList{">"}
	}
	return c
}

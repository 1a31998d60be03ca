package cli

import (
	"context"
	"fmt"
	"reflect"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// The kinds of what a server holds.
const (
	kindStream   = "stream"
	kindConsumer = "consumer"
	kindSchedule = "schedule"
	kindEntry    = "catalog entry"
)

// What became of it.
const (
	stateCreated   = "created"
	stateUpdated   = "updated"
	stateUnchanged = "unchanged"
	stateDeleted   = "deleted"
)

// change is one thing on a server, and what became of it.
type change struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"` // of a consumer: STREAM/CONSUMER
	State string `json:"state"`
}

// provisioned is what provision prints under -o json.
type provisioned struct {
	Streams   []change              `json:"streams"`
	Functions []provisionedFunction `json:"functions"`
}

type provisionedFunction struct {
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	Changes   []change `json:"changes"`
	Error     string   `json:"error,omitempty"`
}

// compare tells two states of the server apart, by name.
func compare[T any](kind string, before, after map[string]T) []change {
	all := map[string]bool{}
	for name := range before {
		all[name] = true
	}
	for name := range after {
		all[name] = true
	}
	changes := []change{}
	for _, name := range sortedKeys(all) {
		old, was := before[name]
		now, is := after[name]
		c := change{Kind: kind, Name: name, State: stateUnchanged}
		switch {
		case !was:
			c.State = stateCreated
		case !is:
			c.State = stateDeleted
		case !reflect.DeepEqual(old, now):
			c.State = stateUpdated
		}
		changes = append(changes, c)
	}
	return changes
}

// streamConfigs reads the configuration of the streams of Pelton that there are.
func streamConfigs(ctx context.Context, js jetstream.JetStream) (map[string]jetstream.StreamConfig, error) {
	configs := map[string]jetstream.StreamConfig{}
	for _, name := range []string{
		stream.EventsStream, stream.WorkStream, stream.DeadStream, stream.RunsStream, stream.BodiesStream, stream.LeaseStream,
		stream.ResultStream, catalog.StreamName,
	} {
		s, err := js.Stream(ctx, name)
		if isMissing(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look up stream %s: %w", name, err)
		}
		configs[name] = s.CachedInfo().Config
	}
	return configs, nil
}

// inventory is what the server holds for one function.
type inventory struct {
	consumers map[string]jetstream.ConsumerConfig
	schedules map[string]uint64
	entry     map[string]catalog.Entry
}

func (p *provisioning) inventory(ctx context.Context, key function.Key) (inventory, error) {
	owned, err := stream.OwnedBy(ctx, p.target.js, key)
	if err != nil {
		return inventory{}, err
	}
	i := inventory{
		consumers: map[string]jetstream.ConsumerConfig{}, schedules: owned.Schedules, entry: map[string]catalog.Entry{},
	}
	for _, c := range owned.Consumers {
		i.consumers[c.Stream+"/"+c.Name] = c.Config
	}
	e, ok, err := catalog.Read(ctx, p.target.js, key)
	if ok {
		i.entry[key.String()] = e
	}
	return i, err
}

// since lists everything there is or was, and what became of it.
func (i inventory) since(before inventory) []change {
	changes := compare(kindConsumer, before.consumers, i.consumers)
	changes = append(changes, compare(kindSchedule, before.schedules, i.schedules)...)
	return append(changes, compare(kindEntry, before.entry, i.entry)...)
}

// showProvisioned writes what became of everything.
func (a *app) showProvisioned(p *provisioned) error {
	if a.json() {
		return a.writeJSON(p)
	}
	rows := [][]string{{"FUNCTION", "STATE", "WHAT", "NAME"}}
	for _, c := range p.Streams {
		rows = append(rows, []string{"-", c.State, c.Kind, c.Name})
	}
	for _, f := range p.Functions {
		name := keyOf(f.Namespace, f.Name)
		if f.Error != "" {
			rows = append(rows, []string{name, "failed", "", oneLine(f.Error, 200)})
		}
		for _, c := range f.Changes {
			rows = append(rows, []string{name, c.State, c.Kind, c.Name})
		}
	}
	return writeTable(a.stdout, rows)
}

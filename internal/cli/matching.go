package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
)

// subscription is one function's interest in subjects of a stream, read from the server.
type subscription struct {
	key     function.Key
	filters []string
}

// subscriptions lists which functions listen on a stream. Consumers that are not ours are passed over.
func subscriptions(ctx context.Context, js jetstream.JetStream, name string) ([]subscription, error) {
	s, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", name, err)
	}
	var subs []subscription
	infos := s.ListConsumers(ctx)
	for info := range infos.Info() {
		key, ok := ownerOf(info.Name)
		if !ok {
			continue
		}
		filters := info.Config.FilterSubjects
		if info.Config.FilterSubject != "" {
			filters = []string{info.Config.FilterSubject}
		}
		subs = append(subs, subscription{key, filters})
	}
	if err := infos.Err(); err != nil {
		return nil, fmt.Errorf("list consumers of stream %s: %w", name, err)
	}
	return subs, nil
}

// ownerOf reads the function from a consumer's name, as stream.ConsumersOf makes it: NAMESPACE_NAME_ROLE.
func ownerOf(consumer string) (function.Key, bool) {
	parts := strings.Split(consumer, "_")
	if len(parts) != 3 || !function.ValidNamespace(parts[0]) || !function.ValidName(parts[1]) {
		return function.Key{}, false
	}
	return function.Key{Namespace: parts[0], Name: parts[1]}, true
}

// matching returns the functions that get what is published to subject, by namespace and name.
func matching(subs []subscription, subject string) []function.Key {
	var keys []function.Key
	for _, s := range subs {
		hit := slices.ContainsFunc(s.filters, func(f string) bool { return function.MatchSubject(f, subject) })
		if hit && !slices.Contains(keys, s.key) {
			keys = append(keys, s.key)
		}
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}

// didYouMean names the function that may have been meant by a key that none has, or is "".
func didYouMean(key function.Key, subs []subscription) string {
	var names []string
	for _, s := range subs {
		if s.key.Name == key.Name {
			return "did you mean " + s.key.String() + "?" // in another namespace
		}
		names = append(names, s.key.String())
	}
	near := closest(key.String(), names)
	if near == "" {
		return ""
	}
	return "did you mean " + near + "?"
}

// nearest describes the subject closest to one that nobody listens on, or "" if none is close.
func nearest(subs []subscription, subject string) string {
	listened := map[string]string{} // what could have been meant: who listens on it
	for _, s := range subs {
		for _, f := range s.filters {
			listened[eventName(fillIn(f, subject))] = fmt.Sprintf("%s listens on %s", s.key, f)
		}
	}
	best := closest(eventName(subject), sortedKeys(listened))
	if best == "" {
		return ""
	}
	return "closest: " + listened[best]
}

// eventName is a subject without the beginning that all events have.
func eventName(subject string) string { return strings.TrimPrefix(subject, eventsPrefix) }

// fillIn puts the tokens of a subject into the places of a pattern's wildcards.
func fillIn(pattern, subject string) string {
	tokens, given := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, token := range tokens {
		switch {
		case i >= len(given):
		case token == "*":
			tokens[i] = given[i]
		case token == ">":
			tokens = append(tokens[:i:i], given[i:]...)
		}
	}
	return strings.Join(tokens, ".")
}

const eventsPrefix = "events."

// eventsSubject is the NATS subject that a name on the command line means: "hello" is events.hello.
func eventsSubject(name string) (string, error) {
	subject := name
	if !strings.HasPrefix(name, eventsPrefix) {
		subject = eventsPrefix + name
	}
	if err := function.ValidPublishSubject(subject); err != nil {
		return "", usage("a subject such as orders.created", "%q cannot be published to: %s", name, err)
	}
	return subject, nil
}

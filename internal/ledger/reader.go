package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/stream"
)

// Filter selects runs. Empty fields select everything.
type Filter struct {
	Namespace string
	Function  string
	EventID   string
}

func (f Filter) subject() (string, error) {
	tokens := []string{f.Namespace, f.Function}
	for i, token := range tokens {
		switch {
		case token == "":
			tokens[i] = "*"
		case !event.ValidToken(token):
			return "", fmt.Errorf("select run records: %q is not a name", token)
		}
	}
	return "pelton.run." + tokens[0] + "." + tokens[1], nil
}

// Subscribe delivers the runs that are published from now on; when it returns, the server knows of the subscription. deliver
// is called from one goroutine and may be called until Unsubscribe returns.
func Subscribe(nc *nats.Conn, f Filter, deliver func(Run)) (*nats.Subscription, error) {
	subject, err := f.subject()
	if err != nil {
		return nil, err
	}
	sub, err := nc.Subscribe(subject, func(m *nats.Msg) {
		namespace, function := names(m.Subject)
		parseRuns(namespace, function, m.Data, func(r Run) {
			if f.EventID == "" || f.EventID == r.EventID {
				deliver(r)
			}
		})
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe to run records: %w", err)
	}
	if err := nc.Flush(); err != nil {
		_ = sub.Unsubscribe()
		return nil, fmt.Errorf("subscribe to run records: %w", err)
	}
	return sub, nil
}

// Follow delivers the runs that are published until ctx ends.
func Follow(ctx context.Context, nc *nats.Conn, f Filter, deliver func(Run)) error {
	sub, err := Subscribe(nc, f, deliver)
	if err != nil {
		return err
	}
	<-ctx.Done()
	_ = sub.Unsubscribe() // it fails only on a connection that is closed already
	return nil
}

// History returns the last runs of a function, at most limit, oldest first.
func History(ctx context.Context, js jetstream.JetStream, namespace, function string, limit int) ([]Run, error) {
	subject, err := event.RunSubject(namespace, function)
	if err != nil {
		return nil, err
	}
	s, err := js.Stream(ctx, stream.RunsStream)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", stream.RunsStream, err)
	}
	last, err := s.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return []Run{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read run records of %s/%s: %w", namespace, function, err)
	}
	// A stream is read forwards: look back further and further until there are enough.
	for span := uint64(64); ; span *= 8 {
		from := uint64(1)
		if last.Sequence > span {
			from = last.Sequence - span
		}
		runs, err := between(ctx, s, subject, from, last.Sequence)
		if err != nil {
			return nil, fmt.Errorf("read run records of %s/%s: %w", namespace, function, err)
		}
		if len(runs) >= limit {
			return runs[len(runs)-limit:], nil
		}
		if from == 1 {
			return runs, nil
		}
	}
}

func between(ctx context.Context, s jetstream.Stream, subject string, from, to uint64) ([]Run, error) {
	runs := []Run{}
	for from <= to {
		raw, err := s.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		namespace, function := names(raw.Subject)
		parseRuns(namespace, function, raw.Data, func(r Run) { runs = append(runs, r) })
		from = raw.Sequence + 1
	}
	return runs, nil
}

// names reads namespace and function from a subject of the form pelton.run.<namespace>.<function>.
func names(subject string) (namespace, function string) {
	rest := subject[strings.LastIndexByte(subject, '.')+1:]
	before := strings.TrimSuffix(subject, "."+rest)
	return before[strings.LastIndexByte(before, '.')+1:], rest
}

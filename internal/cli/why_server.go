package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/deadletter"
	"github.com/pelton-dev/pelton/internal/stream"
)

// askServer adds what the NATS server holds for the function. An *Error is a server that cannot be asked.
func (w *whyScaled) askServer(ctx context.Context, a *app) error {
	t, err := a.connectNamed(ctx)
	var e *Error
	if errors.As(err, &e) {
		w.diag.add(check{Name: "NATS", State: checkFail, Detail: e.Error(), Try: e.Hint})
	}
	if err != nil {
		return err
	}
	defer t.close()
	w.diag.add(check{Name: "NATS", State: checkOK, Detail: "answers at " + t.nc.ConnectedUrlRedacted()})
	entry, known, err := catalog.Read(ctx, t.js, w.key)
	if err != nil {
		return explain("cannot read the catalog", err)
	}
	owned, err := stream.OwnedBy(ctx, t.js, w.key)
	if err != nil {
		return explain("cannot look up what the server holds", err)
	}
	w.diag.add(w.catalog(known))
	w.diag.add(w.consumers(&entry, &owned, known))
	w.diag.add(w.queue(&owned))
	w.diag.add(w.deadLetters(ctx, t.js))
	return nil
}

// catalog says whether a scaler can know the function.
func (w *whyScaled) catalog(known bool) check {
	if known {
		return check{Name: "catalog", State: checkOK, Detail: "the function is in stream " + catalog.StreamName}
	}
	return check{
		Name: "catalog", State: checkFail, Try: "pelton provision PATH, with its manifest",
		Detail: "the function is not in stream " + catalog.StreamName + ": scalers do not know it",
	}
}

// consumers says whether those that the catalog names are there.
func (w *whyScaled) consumers(entry *catalog.Entry, owned *stream.Owned, known bool) check {
	there := map[string]bool{}
	for _, c := range owned.Consumers {
		there[c.Stream+"/"+c.Name] = true
	}
	var missing []string
	for _, c := range entry.Consumers {
		if !there[c.Stream+"/"+c.Name] {
			missing = append(missing, c.Stream+"/"+c.Name)
		}
	}
	switch {
	case len(missing) > 0:
		return check{
			Name: "consumers", State: checkFail, Detail: "missing: " + strings.Join(missing, ", "),
			Try: "pelton provision PATH, with its manifest",
		}
	case !known && len(there) == 0:
		return check{Name: "consumers", State: checkNote, Detail: "none"}
	default:
		return check{Name: "consumers", State: checkOK, Detail: strings.Join(sortedKeys(there), ", ")}
	}
}

// queue says what waits.
func (w *whyScaled) queue(owned *stream.Owned) check {
	due, inFlight, parked := owned.Waiting()
	return check{Name: "queue", State: checkOK, Detail: waiting{due, inFlight, parked}.String()}
}

func (w *whyScaled) deadLetters(ctx context.Context, js jetstream.JetStream) check {
	c := check{Name: "dead letters", State: checkOK, Detail: "none"}
	switch n, err := deadletter.Count(ctx, js, w.key.Namespace, w.key.Name); {
	case isMissing(err):
	case err != nil:
		c.State, c.Detail = checkNote, err.Error()
	case n > 0:
		c.State, c.Detail = checkNote, plural(int(n), "dead letter")
		c.Try = fmt.Sprintf("pelton dlq list --function %s --nats URL", w.key)
	}
	return c
}

package httpcall

import (
	"context"
	"errors"
	"net/http"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/batchjson"
)

var _ invoke.BatchInvoker = (*Invoker)(nil)

// batchType is the content type of a batch: an array of events in the JSON format.
const batchType = "application/cloudevents-batch+json"

var errPlain = errors.New("protocol http has one event in a request")

// InvokeBatch posts all events in one request. A success says in its body what came of each; every other status is about the
// batch as a whole.
func (i *Invoker) InvokeBatch(ctx context.Context, batch *invoke.Batch) (invoke.Verdict, error) {
	if i.cfg.Plain {
		return invoke.Verdict{}, invoke.NotReady(errPlain)
	}
	if err := i.pool.enter(); err != nil {
		return invoke.Verdict{}, invoke.NotReady(err)
	}
	defer i.pool.leave()
	if err := invoke.BeginBatch(ctx, batch); err != nil {
		return invoke.Verdict{}, err
	}
	a, err := i.roundTrip(ctx, request{
		body: batchjson.AppendArray(nil, batch.Items), deadline: batch.Deadline,
		max: max(i.cfg.MaxResponse, invoke.MaxBatchResponse),
	})
	if err != nil {
		return invoke.Verdict{}, err
	}
	return a.verdict(batch.Items)
}

// verdict is what the answer to a batch says. A handler that does not know the media type has refused no event: its function is
// not the one that the manifest describes.
func (a *answer) verdict(items []invoke.Item) (invoke.Verdict, error) {
	if a.head.status == http.StatusUnsupportedMediaType {
		return invoke.Verdict{}, bad("the handler takes no batches: %s", a.reason())
	}
	if a.kind != invoke.Done {
		all, err := a.outcome()
		return invoke.Verdict{All: &all}, err
	}
	each, err := batchjson.ReadAnswer(a.body, items)
	return invoke.Verdict{Each: each}, err
}

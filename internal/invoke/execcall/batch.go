package execcall

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/batchjson"
)

var _ invoke.BatchInvoker = (*Invoker)(nil)

// InvokeBatch runs the program once for all events: each is a line of JSON on its standard input. What came of each is a line
// of JSON on its standard output; no output with the exit status 0 is success. Every other exit status is about the batch as
// a whole.
func (i *Invoker) InvokeBatch(ctx context.Context, batch *invoke.Batch) (invoke.Verdict, error) {
	if err := i.enter(); err != nil {
		return invoke.Verdict{}, invoke.NotReady(err)
	}
	defer i.calls.Done()
	if err := invoke.BeginBatch(ctx, batch); err != nil {
		return invoke.Verdict{}, err
	}
	r, err := i.startBatch(batch)
	if errors.Is(err, syscall.E2BIG) { // the environment is the manifest's: no event is to blame
		return invoke.Verdict{}, &invoke.Error{Code: invoke.CodeCrash, Err: err}
	}
	if err != nil {
		return invoke.Verdict{}, invoke.NotReady(err)
	}
	if err := r.wait(ctx, i.ctx, batch.Deadline); err != nil {
		return invoke.Verdict{}, err
	}
	return r.verdict(batch.Items)
}

func (i *Invoker) startBatch(batch *invoke.Batch) (*run, error) {
	cfg := i.cfg
	cfg.MaxResponse = max(cfg.MaxResponse, invoke.MaxBatchResponse)
	return i.startProgram(cfg, batchEnv(i.cfg.Env, batch), newInput(batchjson.AppendLines(nil, batch.Items)))
}

// batchEnv returns base with the variables of a batch.
func batchEnv(base []string, batch *invoke.Batch) []string {
	env := append(functionEnv(slices.Clone(base), batch.Function), envBatch+"="+strconv.Itoa(len(batch.Items)))
	if !batch.Deadline.IsZero() {
		env = append(env, envDeadline+"="+batch.Deadline.UTC().Format(time.RFC3339Nano))
	}
	return env
}

// verdict is what the ended program says.
func (r *run) verdict(items []invoke.Item) (invoke.Verdict, error) {
	if all, err := r.failure(); all != nil || err != nil {
		return invoke.Verdict{All: all}, err
	}
	each, err := batchjson.ReadLines(r.stdout.kept, items)
	return invoke.Verdict{Each: each}, err
}

package sidecar

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/ledger"
)

// A function with spec.batch has workers that call the handler with many events. Each event keeps what it has alone: its
// slot, its attempt, its outcome, its record. Only the call is shared, and nobody is buried for what a neighbour has done.

var errNoBatches = errors.New("the invoker takes no batches")

// batches is what a sidecar has more where its function asks for them.
type batches struct {
	inv       invoke.BatchInvoker
	maxEvents int
	maxWait   time.Duration
	gathering gathering
	workers   []batchWorker
}

// batchWorker makes one call at a time. All but calling is its own.
type batchWorker struct {
	calling atomic.Int64 // unix nanoseconds since when it is past gathering, 0 while it is not; the janitor reads it

	entries []entry // one for each event that it can hold
	used    int     // of entries
	early   sync.WaitGroup

	ready []*entry // for the call, in the order in which they came
	keys  map[batchKey]struct{}
	bytes int
	alone bool // the event in ready is to have no others beside it

	batch invoke.Batch // made again for each call
}

// entry is one event of a batch. Its slot is one of the sidecar's, so that the janitor keeps it alive.
type entry struct {
	slot *slot
	run  ledger.Run
}

// newBatches returns nil for a function that has none.
func newBatches(b *function.Batch, workers int, inv invoke.Invoker) (*batches, error) {
	if b == nil {
		return nil, nil
	}
	batchInvoker, ok := inv.(invoke.BatchInvoker)
	if !ok {
		return nil, errNoBatches
	}
	return &batches{
		inv: batchInvoker, maxEvents: b.MaxEvents, maxWait: time.Duration(b.MaxWait),
		gathering: gathering{turn: make(chan struct{}, 1)}, workers: make([]batchWorker, workers),
	}, nil
}

// startWorkers starts those that take messages: one for each event in flight, or one for each batch.
func (s *Sidecar) startWorkers(p *phases) {
	if s.batches == nil {
		work := s.work
		if s.ordered != nil {
			work = s.workInOrder
		}
		for i := range s.slots {
			s.workers.Add(1)
			go work(p, &s.slots[i])
		}
		return
	}
	for i := range s.batches.workers {
		w := &s.batches.workers[i]
		w.keys, w.entries = map[batchKey]struct{}{}, make([]entry, s.batches.maxEvents)
		for j := range w.entries {
			w.entries[j].slot = &s.slots[i*len(w.entries)+j]
		}
		s.workers.Go(func() { s.workBatches(p, w) })
	}
}

// workBatches calls with one batch after another until the sidecar drains.
func (s *Sidecar) workBatches(p *phases, w *batchWorker) {
	for s.gather(p, w) {
		w.calling.Store(time.Now().UnixNano())
		s.callEach(p, w, w.ready)
		w.early.Wait()
		w.calling.Store(0)
		s.ask()
	}
	w.early.Wait()
}

// callEach calls the handler with the events and settles them. A batch that was refused as a whole is halved, so that the bad
// event in it is found and the others do not suffer for it. That is no further attempt: the handler has refused to look at
// them.
func (s *Sidecar) callEach(p *phases, w *batchWorker, events []*entry) {
	if s.draining.Load() || len(events) == 0 {
		s.abandon(p.records, events)
		return
	}
	now := time.Now()
	said, err := s.invokeBatch(p, w, events, now)
	took := time.Since(now)
	refused := err == nil && said.All != nil && said.All.Kind == invoke.Reject
	if refused && len(events) > 1 {
		s.callEach(p, w, events[:len(events)/2])
		s.callEach(p, w, events[len(events)/2:])
		return
	}
	plantedDeath(deathAfterHandler)
	settlements := make([]settlement, len(events))
	for i, e := range events {
		outcome, err := outcomeOf(&said, err, i)
		facts := attemptFacts{attempt: e.slot.d.attempt, stored: e.slot.d.origin.Time, now: time.Now(), timeout: s.timeout}
		settlements[i] = plantedBatch(plantedOutcome(decide(outcome, err, facts, s.fn.Spec.Retry, rand.Float64())))
		e.run.Duration = took
	}
	s.measure(took, settlements[0].action)
	witness := witnessOf(events, settlements)
	events[witness].run.Rests = s.judge(p, events[witness].slot, &settlements[witness], true)
	s.settleEach(p.records, events, settlements)
}

// witnessOf is the event by which the circuit judges the call: for it, one call is one failure, however many events were in it.
// An answered one shows that something behind the handler works, and of the failed ones those count that had not failed before.
func witnessOf(events []*entry, settlements []settlement) int {
	witness := 0
	for i, e := range events {
		if e.slot.probe {
			return i // it waits for the verdict: with any other, the circuit would stay open for ever
		}
	}
	for i, e := range events {
		if verdictOf(&settlements[i]) == answered {
			return i
		}
		if e.slot.d.attempt == 1 && events[witness].slot.d.attempt > 1 {
			witness = i
		}
	}
	return witness
}

// outcomeOf is what a verdict says of one event.
func outcomeOf(v *invoke.Verdict, err error, i int) (invoke.Outcome, error) {
	switch {
	case err != nil:
		return invoke.Outcome{}, err
	case v.All != nil:
		return *v.All, nil
	default:
		return v.Each[i].Outcome, v.Each[i].Err
	}
}

func (s *Sidecar) invokeBatch(p *phases, w *batchWorker, events []*entry, now time.Time) (invoke.Verdict, error) {
	b := &w.batch
	b.Function, b.Deadline, b.Items = s.fullName, now.Add(s.timeout), b.Items[:0]
	for _, e := range events {
		d := &e.slot.d
		b.Items = append(b.Items, invoke.Item{Event: &d.event, Attempt: d.attempt, Redeliveries: d.redeliveries()})
		if plantable && planted(bugAckFirst) {
			s.acker.ack(d.msg.Reply, now)
		}
	}
	s.metrics.batchEvents.Observe(float64(len(events)))
	said, err := s.batches.inv.InvokeBatch(p.calls, b)
	if err != nil && errors.Is(err, invoke.ErrNotReady) {
		s.pause(p)
	}
	if err == nil && said.All == nil && len(said.Each) != len(events) {
		s.log.Error("invoker has broken its promise", zap.Int("events", len(events)), zap.Int("results", len(said.Each)))
		err = &invoke.Error{Code: invoke.CodeBadResponse, Err: errors.New("there is not one result for each event")}
	}
	return said, err
}

// settlers is how many events of one batch are settled at one time. A record takes a round trip, and one that cannot be
// written must not keep the others from theirs.
const settlers = 32

// settleEach settles the events of one call, each by itself. It returns when all are.
func (s *Sidecar) settleEach(ctx context.Context, events []*entry, settlements []settlement) {
	var recording sync.WaitGroup
	defer recording.Wait()
	room := make(chan struct{}, settlers)
	for i, e := range events {
		st := &settlements[i]
		if st.action == ackDone && (st.reply == nil || s.fn.Spec.Reply == nil) {
			s.settleEntry(ctx, e, st) // nothing to wait for
			continue
		}
		room <- struct{}{}
		recording.Go(func() {
			s.settleEntry(ctx, e, st)
			<-room
		})
	}
}

// settleEntry settles one event and frees its slot.
func (s *Sidecar) settleEntry(ctx context.Context, e *entry, st *settlement) {
	s.settle(ctx, &e.slot.d, st, &e.run)
	s.release(e.slot)
}

// abandon hands back what the handler has not been called with, or has refused to look at together with others.
func (s *Sidecar) abandon(ctx context.Context, events []*entry) {
	for _, e := range events {
		s.returned(ctx, &e.slot.d, 0)
		s.release(e.slot)
	}
}

// release frees a slot whose message is settled or handed back.
func (s *Sidecar) release(sl *slot) {
	sl.msg.Store(nil)
	s.metrics.inFlight.Dec()
	s.held.Add(-1)
}

// allCalling reports whether every worker has been past gathering for so long: nobody will take what waits.
func (b *batches) allCalling(d time.Duration, now time.Time) bool {
	for i := range b.workers {
		since := b.workers[i].calling.Load()
		if since == 0 || now.Sub(time.Unix(0, since)) < d {
			return false
		}
	}
	return true
}

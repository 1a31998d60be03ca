package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// The bounds of one commit and of the events that wait for it.
//
// A batch has a fixed price, for the server stages it in files of its own: 2 to 8 ms here, as much as 10 to 30 single
// synced publishes, on fast and slow disks alike. Fewer events than DefaultMinBatch are published singly, all at once.
const (
	DefaultMinBatch      = 16
	DefaultCommitEvents  = 256
	DefaultCommitBytes   = 4 << 20
	DefaultCommitTimeout = 2500 * time.Millisecond
	commitQueue          = 1024
	commitParallel       = 32 // the server allows 50 atomic batches at a time on a stream
)

// ErrStopped is the error of a Submit whose Committer no longer runs. The messages were not sent.
var ErrStopped = errors.New("committer has stopped")

// errUnsent says of an error that nothing was sent to the stream, and nothing will be.
var errUnsent = errors.New("not sent")

// CommitterConfig bounds a Committer. Zero values are the defaults.
type CommitterConfig struct {
	MinBatch  int              // events that make a batch worth its price, default DefaultMinBatch
	MaxEvents int              // events in one commit, default DefaultCommitEvents
	MaxBytes  int              // their size together, default DefaultCommitBytes
	Timeout   time.Duration    // for one commit, default DefaultCommitTimeout
	OnCommit  func(events int) // told the size of each commit before it is sent; may be nil
}

func (c CommitterConfig) withDefaults() CommitterConfig {
	c.MinBatch = cmp.Or(c.MinBatch, DefaultMinBatch)
	c.MaxEvents = cmp.Or(c.MaxEvents, DefaultCommitEvents)
	c.MaxBytes = cmp.Or(c.MaxBytes, DefaultCommitBytes)
	c.Timeout = cmp.Or(c.Timeout, DefaultCommitTimeout)
	if c.OnCommit == nil {
		c.OnCommit = func(int) {}
	}
	return c
}

// Ack is the stream's word that a message is stored.
type Ack struct {
	Sequence  uint64
	Duplicate bool // it had been stored before, at Sequence
}

// Committer stores messages of concurrent callers together: whatever waits while one commit is on its way makes up the
// next. A synced write costs the same for one message as for hundreds, so this is what makes syncing each commit cheap. No
// timer delays anything: a message that finds the committer idle is sent at once.
//
// All messages of one Committer must belong to one stream, and each must carry a Nats-Msg-Id.
type Committer struct {
	cfg     CommitterConfig
	store   store
	queue   chan *submission
	held    *submission   // taken from the queue but too large for the last commit; only Run touches it
	stopped chan struct{} // closed by Run when it returns
}

// submission is what one caller wants stored: all of it, or nothing.
type submission struct {
	ctx     context.Context
	msgs    []*nats.Msg
	size    int
	outcome               // written before done is closed
	done    chan struct{} // closed by Run, once
}

type outcome struct {
	acks []Ack
	err  error
}

// NewCommitter returns a Committer that publishes on nc. It does nothing until Run.
func NewCommitter(nc *nats.Conn, cfg CommitterConfig) *Committer {
	return &Committer{
		cfg: cfg.withDefaults(), store: store{nc},
		queue: make(chan *submission, commitQueue), stopped: make(chan struct{}),
	}
}

// Submit stores msgs, all or none, and returns their acknowledgements in order. When ctx ends first, messages that were
// not sent yet never will be; those on their way may be stored or not, and may be submitted again with the same ids.
func (c *Committer) Submit(ctx context.Context, msgs ...*nats.Msg) ([]Ack, error) {
	s, err := c.enqueue(ctx, msgs)
	if err != nil {
		return nil, err
	}
	return c.await(ctx, s)
}

// enqueue hands msgs over to be stored. After an error nothing was, and nothing will be.
func (c *Committer) enqueue(ctx context.Context, msgs []*nats.Msg) (*submission, error) {
	s := &submission{ctx: ctx, msgs: msgs, size: sizeOf(msgs), done: make(chan struct{})}
	select {
	case c.queue <- s:
		return s, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errUnsent, ctx.Err())
	case <-c.stopped:
		return nil, fmt.Errorf("%w: %w", errUnsent, ErrStopped)
	}
}

// finish says what became of s. Run never waits for a caller that left.
func (s *submission) finish(acks []Ack, err error) {
	s.outcome = outcome{acks, err}
	close(s.done)
}

// await waits for what became of s. It may be called again.
func (c *Committer) await(ctx context.Context, s *submission) ([]Ack, error) {
	select {
	case <-s.done:
		return s.acks, s.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.stopped:
		return s.last()
	}
}

// find returns the acknowledgements of those of msgs that the stream has stored, whether that was answered or not.
func (c *Committer) find(ctx context.Context, msgs []*nats.Msg) ([]Ack, error) {
	known := map[string]Ack{}
	if _, err := c.store.removeKnown(ctx, msgs, known); err != nil {
		return nil, err
	}
	return slices.Collect(maps.Values(known)), nil
}

// last is the result that arrived just before the committer stopped, if one did.
func (s *submission) last() ([]Ack, error) {
	select {
	case <-s.done:
		return s.acks, s.err
	default:
		return nil, ErrStopped
	}
}

func sizeOf(msgs []*nats.Msg) int {
	n := 0
	for _, m := range msgs {
		n += m.Size()
	}
	return n
}

// Run commits until ctx ends and the commit on its way is over. It must be called once.
func (c *Committer) Run(ctx context.Context) error {
	defer close(c.stopped)
	for {
		if c.held == nil {
			select {
			case c.held = <-c.queue:
			case <-ctx.Done():
				return nil
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if group := c.gather(); len(group) > 0 {
			c.commit(ctx, group)
		}
	}
}

// gather takes what waits, up to the bounds of one commit. What the bounds leave out is held for the next one. Callers
// that have left are passed over: they were told that nothing was stored in time.
func (c *Committer) gather() []*submission {
	var group []*submission
	events, bytes := 0, 0
	for {
		if s := c.held; s != nil {
			if len(group) > 0 && (events+len(s.msgs) > c.cfg.MaxEvents || bytes+s.size > c.cfg.MaxBytes) {
				return group
			}
			if err := s.ctx.Err(); err == nil {
				group = append(group, s)
				events, bytes = events+len(s.msgs), bytes+s.size
			} else {
				s.finish(nil, fmt.Errorf("%w: %w", errUnsent, err))
			}
			c.held = nil
		}
		select {
		case c.held = <-c.queue:
		default:
			return group
		}
	}
}

// commit stores a group. Shutdown does not cut it: its callers are still being answered.
func (c *Committer) commit(ctx context.Context, group []*submission) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.Timeout)
	defer cancel()
	var msgs []*nats.Msg
	for _, s := range group {
		msgs = append(msgs, s.msgs...)
	}
	c.cfg.OnCommit(len(msgs))
	if len(msgs) == len(group) && len(msgs) < c.cfg.MinBatch {
		c.commitEach(ctx, group)
		return
	}
	acks, err := c.store.put(ctx, msgs)
	if len(group) > 1 && refused(err) {
		c.commitEach(ctx, group)
		return
	}
	for _, s := range group {
		if err != nil {
			s.finish(nil, err)
			continue
		}
		s.finish(acks[:len(s.msgs)], nil)
		acks = acks[len(s.msgs):]
	}
}

// commitEach stores each submission by itself, many at once. After a group was refused it keeps the one that the stream
// cannot take from failing its neighbours; the message ids make it harmless should the refusal have been a mistake.
func (c *Committer) commitEach(ctx context.Context, group []*submission) {
	var g errgroup.Group
	g.SetLimit(commitParallel)
	for _, s := range group {
		g.Go(func() error {
			s.finish(c.store.put(ctx, s.msgs))
			return nil
		})
	}
	_ = g.Wait() // the errors went to the callers
}

// refused reports whether the stream itself said no. Without an answer there is no use in asking again.
func refused(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api)
}

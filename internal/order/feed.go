package order

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/stream"
)

const (
	// pullExpires bounds how long a request of ours can bring something: less than takeover after the lease that it was made
	// under, so that no leader is given what another one has asked for.
	pullExpires = 2 * time.Second
	pullAtMost  = 128 // events in one request
	pullSlack   = 3 * time.Second

	calmFor      = 1500 * time.Millisecond // how long nothing must have moved in a consumer before its messages are called back
	calmLook     = 300 * time.Millisecond
	collectQuiet = 5 * time.Second // for the next message that was called back
	feedRest     = 500 * time.Millisecond
)

// errGap says that somebody else was given a message, or we were given one that we did not get.
var errGap = errors.New("a message went elsewhere")

// delivered is one message of a consumer.
type delivered struct {
	msg      *nats.Msg
	source   string
	sequence uint64 // in the stream
	stored   int64  // when, in nanoseconds since 1970
	count    int    // of deliveries
}

// sink takes what a feed brings, from the goroutine of the feed.
type sink interface {
	// take is given messages of a source in the order of the stream.
	take(f *feed, d delivered)
	// room waits until there is room for events, and returns for how many, and how large all of them may be; 0 bytes is for any size.
	// What has come before needs no room. It returns no events when ctx ends.
	room(ctx context.Context, before bool) (events, bytes int)
	// high is the sequence of the last message of a source that take was given.
	high(source string) uint64
	// soundIn notes that in a session of the connection all has come that the server delivers again, and up to a place all that is
	// not settled.
	soundIn(upTo ID, session uint64)
	// unsound notes that it is not known what the server remembers of a source; isSound reports whether it is known.
	unsound(source string)
	isSound(source string) bool
}

// feed brings the events of one consumer in their order: first all that were delivered before and not acknowledged, whoever
// had them, then what comes. It takes nothing on trust: the server numbers deliveries, and a number that is missing has it
// start over.
type feed struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	consumer stream.Consumer
	index    int // among the function's consumers
	sink     sink
	log      *zap.Logger

	next   uint64       // the number of the next delivery
	source atomic.Value // string: of the last session
}

// run feeds until ctx ends.
func (f *feed) run(ctx context.Context) {
	for {
		err := f.session(ctx)
		if ctx.Err() != nil {
			return
		}
		f.log.Info("events are called back and taken again in their order", zap.String("consumer", f.consumer.Name), zap.Error(err))
		select {
		case <-ctx.Done():
			return
		case <-time.After(feedRest):
		}
	}
}

func (f *feed) session(ctx context.Context) error {
	f.sink.unsound(f.lastSource())
	number := sessionOf(f.nc)
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	go f.watch(ctx, number, end)
	info, err := f.calm(ctx)
	if err != nil {
		return err
	}
	inbox := f.nc.NewInbox()
	messages := make(chan *nats.Msg, 2*pullAtMost)
	sub, err := f.nc.ChanSubscribe(inbox+".*", messages)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	source := sourceOf(info)
	f.source.Store(source)
	p := &pull{feed: f, inbox: inbox, messages: messages, source: source, session: number, last: info.Delivered.Stream}
	f.next = info.Delivered.Consumer + 1
	if err := f.callBack(ctx, info, p); err != nil {
		return err
	}
	return f.follow(ctx, p, ID{p.source, info.Delivered.Stream, info.TimeStamp.UnixNano()}, info.NumPending == 0)
}

// follow takes what comes. The source is sound once it has brought all that it had brought before, or has nothing more.
func (f *feed) follow(ctx context.Context, p *pull, upTo ID, drained bool) error {
	sound := false
	take := func(d delivered) { f.sink.take(f, d) }
	for {
		high := f.sink.high(p.source)
		if !sound && (drained || p.last >= high) {
			sound = true
			f.sink.soundIn(upTo, p.session)
		}
		events, bytes := f.sink.room(ctx, !sound)
		if events == 0 {
			return context.Cause(ctx)
		}
		if !sound {
			events = int(min(uint64(events), high-p.last))
		}
		got, err := p.ask(ctx, min(events, pullAtMost), bytes, take)
		if errors.Is(err, errTooLarge) {
			got, err = p.ask(ctx, 1, 0, take)
		}
		if err != nil {
			return err
		}
		drained = got == 0
	}
}

func (f *feed) lastSource() string {
	source, _ := f.source.Load().(string)
	return source
}

// watch ends a session when the connection becomes another one, or the source unsound after it was sound.
func (f *feed) watch(ctx context.Context, number uint64, end context.CancelCauseFunc) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	sound := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch now := f.sink.isSound(f.lastSource()); {
		case sessionOf(f.nc) != number:
			end(errReconnected)
		case sound && !now:
			end(errUnsound)
		case now:
			sound = true
		}
	}
}

// sourceOf names a consumer's life.
func sourceOf(info *jetstream.ConsumerInfo) string {
	return info.Stream + "/" + info.Name + "/" + strconv.FormatInt(info.Created.UnixNano(), 36)
}

// calm waits until nobody works on the consumer's messages without us, as replicas do that were started before the function
// had an order: as long as something moves, they do.
func (f *feed) calm(ctx context.Context) (*jetstream.ConsumerInfo, error) {
	var before *jetstream.ConsumerInfo
	since := time.Now()
	for {
		c, err := f.js.Consumer(ctx, f.consumer.Stream, f.consumer.Name)
		if err != nil {
			return nil, fmt.Errorf("look up consumer %s: %w", f.consumer.Name, err)
		}
		info := c.CachedInfo()
		if before == nil || info.NumAckPending != before.NumAckPending || info.AckFloor.Consumer != before.AckFloor.Consumer ||
			info.Delivered.Consumer != before.Delivered.Consumer {
			before, since = info, time.Now()
		}
		if info.NumAckPending == 0 || time.Since(since) >= calmFor {
			return info, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(calmLook):
		}
	}
}

// callBack has everything that was delivered and not acknowledged delivered to us, and gives it on in the order of the
// stream. The server may have an order of its own for what comes again, so nothing is given on before all of it is there.
func (f *feed) callBack(ctx context.Context, info *jetstream.ConsumerInfo, p *pull) error {
	if info.NumAckPending == 0 || planted(bugNoCallBack) {
		return nil
	}
	if err := stream.HandBack(ctx, f.nc, info); err != nil {
		return err
	}
	var all []delivered
	have := map[uint64]struct{}{}
	quiet := time.Now()
	collect := func(d delivered) {
		if _, twice := have[d.sequence]; twice {
			return
		}
		if all = append(all, d); d.sequence <= info.Delivered.Stream {
			have[d.sequence] = struct{}{}
			quiet = time.Now()
		}
	}
	for len(have) < info.NumAckPending {
		if _, err := p.ask(ctx, min(pullAtMost, info.NumAckPending-len(have)), 0, collect); err != nil {
			return err
		}
		if time.Since(quiet) > collectQuiet {
			return fmt.Errorf("%w: of %d that were called back %d have come", errGap, info.NumAckPending, len(have))
		}
	}
	slices.SortFunc(all, func(a, b delivered) int { return cmp.Compare(a.sequence, b.sequence) })
	for _, d := range all {
		f.sink.take(f, d)
	}
	return nil
}

// pull asks a consumer for messages, one request at a time.
type pull struct {
	feed     *feed
	inbox    string
	messages chan *nats.Msg
	source   string
	session  uint64 // of the connection
	last     uint64 // the highest sequence that was delivered
	number   uint64 // of requests
}

// ask makes one request and gives on what it brings, until it is answered in full, has expired, or goes wrong. It returns how many
// messages have come.
func (p *pull) ask(ctx context.Context, batch, bytes int, take func(delivered)) (got int, err error) {
	f := p.feed
	p.number++
	reply := p.inbox + "." + strconv.FormatUint(p.number, 10)
	body := stream.Pull{Batch: int64(batch), MaxBytes: bytes, Expires: pullExpires}.Body()
	subject := "$JS.API.CONSUMER.MSG.NEXT." + f.consumer.Stream + "." + f.consumer.Name
	if err := f.nc.PublishRequest(subject, reply, body); err != nil {
		return 0, fmt.Errorf("ask for messages: %w", err)
	}
	timer := time.NewTimer(pullExpires + pullSlack)
	defer timer.Stop()
	for got < batch {
		select {
		case <-ctx.Done():
			return got, context.Cause(ctx)
		case <-timer.C:
			return got, fmt.Errorf("ask for messages: %w", errSilence)
		case m := <-p.messages:
			if m.Reply == "" {
				if m.Subject != reply {
					continue // the end of an earlier request
				}
				return got, statusErr(m)
			}
			d, err := p.read(m)
			if err != nil {
				return got, err
			}
			got++
			take(d)
		}
	}
	return got, nil
}

var (
	errReconnected = errors.New("the connection is another one")
	errUnsound     = errors.New("acknowledgements are not confirmed")
)

var errSilence = errors.New("no answer")

// read takes a message only if it is the next that the server has delivered to anybody.
func (p *pull) read(m *nats.Msg) (delivered, error) {
	meta, err := m.Metadata()
	if err != nil {
		return delivered{}, fmt.Errorf("read message: %w", err)
	}
	if meta.Sequence.Consumer != p.feed.next {
		return delivered{}, fmt.Errorf("%w: delivery %d came after %d", errGap, meta.Sequence.Consumer, p.feed.next-1)
	}
	p.feed.next++
	p.last = max(p.last, meta.Sequence.Stream)
	return delivered{m, p.source, meta.Sequence.Stream, meta.Timestamp.UnixNano(), int(meta.NumDelivered)}, nil
}

// errTooLarge says that the next message is larger than what was asked for, or what is left of it.
var errTooLarge = errors.New("the next message is too large")

// statusErr is nil for the ordinary end of a request.
func statusErr(m *nats.Msg) error {
	status, description := m.Header.Get("Status"), m.Header.Get("Description")
	switch {
	case status == "408" || status == "404" || status == "409" && strings.EqualFold(description, "Batch Completed"):
		return nil
	case status == "409" && strings.EqualFold(description, "Message Size Exceeds MaxBytes"):
		return errTooLarge
	}
	return fmt.Errorf("ask for messages: %w: %s %s", errAnswer, status, description)
}

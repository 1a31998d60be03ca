package disk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"

	"github.com/pelton-dev/pelton/internal/stream"
)

// FullConfig says how often to fill the disk. Pelton, Self and Dir are needed.
type FullConfig struct {
	Rounds int // 0 is three
	Pelton string
	Self   string
	Dir    string
	Out    io.Writer
}

const (
	defaultRounds   = 3
	tmpfsSize       = "size=64m"
	fullData        = 2000
	before          = 200 // events that are acknowledged before the disk is full
	refusedAtLeast  = 3   // of each door
	acceptPatience  = time.Minute
	recoverPatience = time.Minute
	ackProbe        = 20 // events that somebody else acknowledges while the disk is full
)

// Full is one time that the disk was full, and what came of it.
type Full struct {
	Refused   int           `json:"refused"`     // publishes
	Slowest   time.Duration `json:"slowestNs"`   // of the answers over HTTP
	NoAdvice  int           `json:"noAdvice"`    // of them, those that were no 503 or did not say when to come again
	Acked     int           `json:"acked"`       // by a consumer that worked while the disk was full
	Recovered time.Duration `json:"recoveredNs"` // from the moment there was space until both doors accepted an event
	Settled   time.Duration `json:"settledNs"`   // ... until nothing waited
	Accepted  int           `json:"accepted"`    // on this disk so far
	Missing   []string      `json:"missing"`     // acknowledged, and not stored any more
	Undone    []string      `json:"undone"`      // acknowledged and stored, and neither done nor dead
	Told      bool          `json:"told"`        // the screen said so, and said when it was over
	Trouble   string        `json:"trouble,omitempty"`
}

func (f *Full) ok() bool {
	return len(f.Missing) == 0 && len(f.Undone) == 0 && f.Trouble == "" && f.NoAdvice == 0 && f.Acked == ackProbe && f.Told
}

// String is one line.
func (f *Full) String() string {
	return fmt.Sprintf("%d refused (over HTTP after at most %v, %d of them badly), %d of %d acknowledgements worked; accepted "+
		"again after %v, settled after %v; %d acknowledged so far, %d missing, %d not done, told: %t%s",
		f.Refused, f.Slowest.Round(time.Millisecond), f.NoAdvice, f.Acked, ackProbe, f.Recovered.Round(time.Millisecond),
		f.Settled.Round(time.Millisecond), f.Accepted, len(f.Missing), len(f.Undone), f.Told, f.Trouble)
}

// FullVerdict is what came of all rounds.
type FullVerdict struct {
	Rounds []Full `json:"rounds"`
}

// Passed reports whether nothing that was acknowledged got lost, refusals were clean, and all went on by itself.
func (v *FullVerdict) Passed() bool {
	for i := range v.Rounds {
		if !v.Rounds[i].ok() {
			return false
		}
	}
	return len(v.Rounds) > 0
}

// Accepted counts the acknowledged events.
func (v *FullVerdict) Accepted() int {
	if len(v.Rounds) == 0 {
		return 0
	}
	return v.Rounds[len(v.Rounds)-1].Accepted
}

// Lost counts those that were not there any more, or were never handled.
func (v *FullVerdict) Lost() (n int) {
	for _, r := range v.Rounds {
		n += len(r.Missing) + len(r.Undone)
	}
	return n
}

// full is a machine on a small disk.
type full struct {
	cfg     FullConfig
	machine *machine
	acked   ledger
	told    int // how often the screen must have said that the store refuses
}

// FillDisk runs `pelton up` on a small disk that something else fills and frees again, while events come in.
func FillDisk(ctx context.Context, cfg FullConfig) (v *FullVerdict, err error) {
	cfg.Rounds = cmp.Or(cfg.Rounds, defaultRounds)
	if cfg.Out == nil {
		cfg.Out = io.Discard
	}
	dir := filepath.Join(cfg.Dir, "mnt")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make mount point: %w", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, tmpfsSize); err != nil {
		return nil, fmt.Errorf("mount tmpfs: %w", err)
	}
	f := &full{cfg: cfg, acked: ledger{}, machine: &machine{
		base: cfg.Dir, state: filepath.Join(dir, "state"), pelton: cfg.Pelton, self: cfg.Self,
	}}
	defer func() {
		err = errors.Join(err, f.machine.stop(context.WithoutCancel(ctx)), unix.Unmount(dir, unix.MNT_DETACH))
	}()
	if err := f.machine.writeManifest(); err != nil {
		return nil, err
	}
	if err := f.machine.start(ctx); err != nil {
		return nil, err
	}
	v = &FullVerdict{}
	for n := range cfg.Rounds {
		r, err := f.round(ctx, fmt.Sprintf("r%d", n), filepath.Join(dir, "filler"))
		if err != nil {
			return nil, fmt.Errorf("full disk %d: %w", n+1, err)
		}
		v.Rounds = append(v.Rounds, *r)
		fmt.Fprintf(cfg.Out, "full %d of %d: %v\n", n+1, cfg.Rounds, r)
		if !r.ok() {
			break
		}
	}
	return v, nil
}

// round fills the disk, waits for refusals, and frees it.
func (f *full) round(ctx context.Context, prefix, filler string) (*Full, error) {
	pubs, err := publish(ctx, f.machine.urls, prefix, fullData)
	if err != nil {
		return nil, err
	}
	w, err := look(f.machine.urls)
	if err != nil {
		pubs.stop()
		return nil, err
	}
	defer w.close()
	r := &Full{}
	freed, err := f.hurt(ctx, r, w, pubs, filler)
	if err == nil {
		r.Trouble = trouble(poll(ctx, recoverPatience, "events are accepted again", pubs.acceptedSince(freed)))
	}
	r.Recovered = time.Since(freed)
	f.acked.add(pubs.stop())
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, err
	}
	r.count(pubs.refusals)
	r.Accepted = len(f.acked)
	if r.Trouble != "" {
		return r, nil
	}
	r.Trouble = trouble(w.settle(ctx, settleAtMost))
	r.Settled = time.Since(freed)
	f.told++
	r.Told = f.machine.wrote("store-refuses") == f.told && f.machine.wrote("store-back") == f.told
	r.Missing, r.Undone, err = w.judge(ctx, f.acked, f.machine.notes())
	return r, err
}

// hurt fills the disk until both doors have refused, and says when there was space again.
func (f *full) hurt(ctx context.Context, r *Full, w *witness, pubs *publishers, filler string) (freed time.Time, err error) {
	if err := poll(ctx, acceptPatience, "events are accepted", pubs.accepted(before)); err != nil {
		return freed, err
	}
	probe, err := newAckProbe(ctx, w)
	if err != nil {
		return freed, err
	}
	if err := fill(filler); err != nil {
		return freed, err
	}
	err = poll(ctx, acceptPatience, "both doors refuse", pubs.refused)
	if err == nil {
		r.Acked = probe.acknowledge(ctx)
	}
	return time.Now(), errors.Join(err, os.Remove(filler))
}

// count looks at how the doors refused.
func (r *Full) count(refusals []answer) {
	r.Refused = len(refusals)
	for _, ref := range refusals {
		if ref.door == doorNATS {
			continue // an error, or no answer in time
		}
		if ref.status != http.StatusServiceUnavailable || !ref.retryAfter {
			r.NoAdvice++
		}
		r.Slowest = max(r.Slowest, ref.took)
	}
}

// fill takes all the space that is left.
func fill(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("fill disk: %w", err)
	}
	defer func() { _ = file.Close() }()
	for _, part := range []int{1 << 20, 4 << 10, 1} {
		data := make([]byte, part)
		for {
			if _, err := file.Write(data); errors.Is(err, unix.ENOSPC) {
				break
			} else if err != nil {
				return fmt.Errorf("fill disk: %w", err)
			}
		}
	}
	return nil
}

// acknowledger is a consumer of somebody else that has events in hand when the disk gets full.
type acknowledger struct{ messages []jetstream.Msg }

func newAckProbe(ctx context.Context, w *witness) (*acknowledger, error) {
	c, err := w.js.CreateOrUpdateConsumer(ctx, stream.EventsStream, jetstream.ConsumerConfig{
		Durable: "acknowledger", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Hour,
	})
	if err != nil {
		return nil, fmt.Errorf("make consumer: %w", err)
	}
	batch, err := c.Fetch(ackProbe, jetstream.FetchMaxWait(lookWait))
	if err != nil {
		return nil, fmt.Errorf("fetch events: %w", err)
	}
	a := &acknowledger{}
	for m := range batch.Messages() {
		a.messages = append(a.messages, m)
	}
	return a, batch.Error()
}

// acknowledge returns how many acknowledgements the server has confirmed.
func (a *acknowledger) acknowledge(ctx context.Context) (n int) {
	for _, m := range a.messages {
		one, cancel := context.WithTimeout(ctx, publishWait)
		if m.DoubleAck(one) == nil {
			n++
		}
		cancel()
	}
	return n
}

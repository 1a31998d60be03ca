package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

func start(t *testing.T) (*natstest.Server, jetstream.JetStream) {
	t.Helper()
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	if _, err := stream.Ensure(t.Context(), js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	return srv, js
}

func run(i int) ledger.Run {
	return ledger.Run{
		Namespace: "default", Function: "thumbnail",
		EventID: fmt.Sprintf("e%d", i), EventSource: "/camera", EventType: "image.uploaded",
		Stream: "EVENTS", Sequence: uint64(i + 1), Attempt: 2, MaxAttempts: 5, Outcome: ledger.OutcomeRetry, Reason: "timeout",
		Error: "no \"answer\"\n\tin 3 s\\ snø \x7f", Replica: "thumbnail-1", Started: time.Unix(0, 1795248000123456789).UTC(),
		Wait: 3 * time.Millisecond, Cold: 2 * time.Millisecond, Duration: time.Second,
		Next: time.Unix(0, 1795248005123456789).UTC(),
	}
}

// write runs a writer until everything that record records is flushed.
func write(t *testing.T, js jetstream.JetStream, cfg ledger.WriterConfig, record func(*ledger.Writer)) *ledger.Writer {
	t.Helper()
	w := ledger.NewWriter(js, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	record(w)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return w
}

func history(t *testing.T, js jetstream.JetStream, limit int) []ledger.Run {
	t.Helper()
	runs, err := ledger.History(t.Context(), js, "default", "thumbnail", limit)
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

func TestRunsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	_, js := start(t)
	least := ledger.Run{Namespace: "default", Function: "thumbnail", Outcome: ledger.OutcomeDone}
	earlier := run(0)
	earlier.Started, earlier.Replica = earlier.Started.Add(-time.Minute), "thumbnail-2"
	want := []ledger.Run{run(0), least, least, run(1), run(2), earlier, run(3)}
	write(t, js, ledger.WriterConfig{}, func(w *ledger.Writer) {
		for _, r := range want {
			w.Record(r)
		}
	})
	if diff := cmp.Diff(want, history(t, js, 10)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestManyRunsAreFewMessages(t *testing.T) {
	t.Parallel()
	_, js := start(t)
	write(t, js, ledger.WriterConfig{}, func(w *ledger.Writer) {
		for i := range 2000 {
			w.Record(run(i))
		}
	})
	s, err := js.Stream(t.Context(), stream.RunsStream)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n > 100 {
		t.Errorf("2000 runs became %d messages", n)
	}
	runs := history(t, js, 2000)
	if len(runs) != 2000 {
		t.Fatalf("%d runs, want 2000", len(runs))
	}
	for i, r := range runs {
		if r.Sequence != uint64(i+1) {
			t.Fatalf("run %d has sequence %d: out of order", i, r.Sequence)
		}
	}
}

func TestHistoryIsTheLastRunsOfOneFunction(t *testing.T) {
	t.Parallel()
	_, js := start(t)
	for i := range 300 { // more messages of others than the first look back covers
		write(t, js, ledger.WriterConfig{}, func(w *ledger.Writer) {
			r := run(i)
			if i%100 != 0 {
				r.Function = "other"
			}
			w.Record(r)
		})
	}
	runs := history(t, js, 2)
	if len(runs) != 2 || runs[0].EventID != "e100" || runs[1].EventID != "e200" {
		t.Errorf("runs = %+v", runs)
	}
	if n := len(history(t, js, 10)); n != 3 {
		t.Errorf("%d runs, want 3", n)
	}
	if runs, err := ledger.History(t.Context(), js, "default", "nobody", 5); err != nil || len(runs) != 0 {
		t.Errorf("runs of nobody = %v, %v", runs, err)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	srv, js := start(t)
	nc := srv.Conn(t)
	got := make(chan ledger.Run, 10)
	sub, err := ledger.Subscribe(nc, ledger.Filter{Function: "thumbnail", EventID: "e2"}, func(r ledger.Run) { got <- r })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	write(t, js, ledger.WriterConfig{}, func(w *ledger.Writer) {
		for i := range 4 {
			w.Record(run(i))
		}
		other := run(2)
		other.Function = "other"
		w.Record(other)
	})
	if diff := cmp.Diff(run(2), <-got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if len(got) != 0 {
		t.Errorf("more runs: %+v", <-got)
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	srv, _ := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ledger.Follow(ctx, srv.Conn(t), ledger.Filter{}, func(ledger.Run) {}); err != nil {
		t.Error(err)
	}
	nc := srv.Conn(t)
	nc.Close()
	if err := ledger.Follow(t.Context(), nc, ledger.Filter{}, func(ledger.Run) {}); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("on a closed connection: %v", err)
	}
}

// stalled is a JetStream whose publishes do not return before their context ends.
type stalled struct {
	jetstream.JetStream
	entered chan struct{}
	once    sync.Once
}

func (s *stalled) PublishMsg(ctx context.Context, _ *nats.Msg, _ ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	s.once.Do(func() { close(s.entered) })
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestAStalledServerCostsTheOldestRunsAndIsCounted(t *testing.T) {
	t.Parallel()
	js := &stalled{entered: make(chan struct{})}
	w := write(t, js, ledger.WriterConfig{MaxBuffered: 4 << 10}, func(w *ledger.Writer) {
		w.Record(run(0))
		<-js.entered
		for i := range 1000 { // must not block
			w.Record(run(i))
		}
	})
	if n := w.Dropped(); n != 1001 {
		t.Errorf("dropped %d, want all 1001", n)
	}
}

func TestWriterOutlivesAServerRestart(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.Listen())
	js := srv.JetStream(t)
	if _, err := stream.Ensure(t.Context(), js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	w := ledger.NewWriter(js, ledger.WriterConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	srv.Restart(t)
	w.Record(run(0))
	after := srv.JetStream(t)
	waittest.Eventually(t, func() error {
		runs, err := ledger.History(t.Context(), after, "default", "thumbnail", 5)
		if err == nil && len(runs) == 0 {
			err = errors.New("no run yet")
		}
		return err
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRecordFromManyGoroutines(t *testing.T) {
	t.Parallel()
	_, js := start(t)
	write(t, js, ledger.WriterConfig{}, func(w *ledger.Writer) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i := range 200 {
					w.Record(run(i))
				}
			})
		}
		wg.Wait()
	})
	if n := len(history(t, js, 10000)); n != 1600 {
		t.Errorf("%d runs, want 1600", n)
	}
}

// TestWhatRunsShareIsWrittenOnce says what a run costs among others like it: the disk of the server pays for every byte.
func TestWhatRunsShareIsWrittenOnce(t *testing.T) {
	t.Parallel()
	_, js := start(t)
	write(t, js, ledger.WriterConfig{}, func(w *ledger.Writer) {
		for i := range 100 {
			r := run(i)
			r.EventSource = strings.Repeat("/camera", 100)
			w.Record(r)
		}
	})
	s, err := js.Stream(t.Context(), stream.RunsStream)
	if err != nil {
		t.Fatal(err)
	}
	// Each message begins anew; a busy machine may make more than one.
	if state := s.CachedInfo().State; state.Bytes > 19_000+1_000*state.Msgs {
		t.Errorf("100 runs are %d bytes in %d messages, want at most 19000, and 1000 for each message", state.Bytes, state.Msgs)
	}
}

// TestNothingIsReadAfterAForeignLine: what follows is written against it.
func TestNothingIsReadAfterAForeignLine(t *testing.T) {
	t.Parallel()
	_, js := start(t)
	const first = `{"i":"a","q":1,"s":"/camera","t":"t","st":"EVENTS","a":1,"m":3,"o":"done","p":"r","b":1000}`
	const text = first + "\n" + `{"i":"b","q":2,"a":"second","l":500}` + "\n" + `{"i":"c","q":3,"l":7}` + "\n"
	for range 2 { // the message after is read
		if _, err := js.Publish(t.Context(), "pelton.run.default.thumbnail", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	runs := history(t, js, 10)
	if len(runs) != 2 || runs[0].EventID != "a" || runs[1].EventID != "a" {
		t.Errorf("got %+v, want the first line of each message", runs)
	}
}

func TestAForeignLineIsPassedOver(t *testing.T) {
	t.Parallel()
	_, js := start(t)
	write(t, js, ledger.WriterConfig{}, func(w *ledger.Writer) { w.Record(run(1)) })
	if _, err := js.Publish(t.Context(), "pelton.run.default.thumbnail", []byte("not a run\n")); err != nil {
		t.Fatal(err)
	}
	if n := len(history(t, js, 10)); n != 1 {
		t.Errorf("%d runs, want 1", n)
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	_, js := start(t)
	w := ledger.NewWriter(js, ledger.WriterConfig{MaxBuffered: 1 << 30})
	r := run(1)
	r.Error = ""
	w.Record(r)
	if n := testing.AllocsPerRun(1000, func() { w.Record(r) }); n > 1 {
		t.Errorf("%v allocations per record", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	w := ledger.NewWriter(nil, ledger.WriterConfig{})
	r := run(1)
	r.Outcome, r.Reason, r.Error, r.Next = ledger.OutcomeDone, "", "", time.Time{}
	r.EventID = strings.Repeat("x", 36)
	b.ReportAllocs()
	for b.Loop() {
		w.Record(r)
	}
}

package scrub_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/scrub"
)

var flips = flag.Int("flips", 20, "bits to flip that cost a message, in TestFlips")

const (
	streamName = "EVENTS"
	messages   = 300
)

// made is a store, and what a reader got from it before anything happened.
type made struct {
	dir  string
	want map[uint64]string
}

// newStore fills a stream: some messages have headers, some are deleted, from the front and in between. A clean store was closed
// by its server; the other is what a kill leaves behind.
func newStore(t *testing.T, clean bool) made {
	t.Helper()
	m := made{dir: filepath.Join(t.TempDir(), "store")}
	running := t.TempDir()
	srv := natstest.Start(t, natstest.StoreDir(running))
	js := srv.JetStream(t)
	s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: streamName, Subjects: []string{"events.>"}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range messages {
		msg := &nats.Msg{Subject: fmt.Sprintf("events.%d", n%7), Data: fmt.Appendf(nil, `{"number":%d}`, n)}
		if n%3 != 0 || !clean { // without headers and without an index, a changed length of the subject is not seen
			msg.Header = nats.Header{"ce-id": {fmt.Sprint(n)}, "ce-source": {"//test"}}
		}
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	for _, seq := range []uint64{50, 51, 120, 299} {
		if err := s.DeleteMsg(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Purge(t.Context(), jetstream.WithPurgeSequence(10)); err != nil {
		t.Fatal(err)
	}
	// The only message of its subject, the last of the stream: the index knows neither any more, and it is still in the block.
	if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "events.gone", Data: []byte("plain")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context(), jetstream.WithPurgeSubject("events.gone")); err != nil {
		t.Fatal(err)
	}
	m.want = readAll(t, s)
	if clean {
		srv.Stop()
	}
	copyTree(t, running, m.dir)
	return m
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func readAll(t *testing.T, s jetstream.Stream) map[uint64]string {
	t.Helper()
	found := map[uint64]string{}
	for seq := uint64(1); seq <= messages+1; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			t.Fatalf("read message %d: %v", seq, err)
		}
		found[seq] = fmt.Sprint(m.Subject, m.Header, string(m.Data))
	}
	return found
}

// open starts a server on a store and reads everything.
func open(t *testing.T, dir string) (map[uint64]string, *jetstream.StreamInfo) {
	t.Helper()
	srv := natstest.Start(t, natstest.StoreDir(dir))
	defer srv.Stop()
	s, err := srv.JetStream(t).Stream(t.Context(), streamName)
	if err != nil {
		t.Fatal(err)
	}
	return readAll(t, s), s.CachedInfo()
}

func run(t *testing.T, dir string) *scrub.Report {
	t.Helper()
	r, err := scrub.Run(dir, filepath.Join(dir, "damaged"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// check wants that exactly what was reported is lost, and that the server gives all the rest as it was.
func (m made) check(t *testing.T, dir string, r *scrub.Report) (cost int) {
	t.Helper()
	var lost []uint64
	for _, d := range r.Damages {
		lost = append(lost, d.Lost...)
	}
	got, info := open(t, dir)
	for seq, want := range m.want {
		switch have, there := got[seq]; {
		case !there && !slices.Contains(lost, seq):
			t.Errorf("message %d is lost, and nothing was said: %+v", seq, r.Damages)
		case there && have != want:
			t.Errorf("message %d is %q, want %q", seq, have, want)
		case !there:
			cost++
		}
	}
	for _, seq := range lost {
		if _, there := got[seq]; there || m.want[seq] == "" {
			t.Errorf("message %d is reported lost: it is there, or had been deleted", seq)
		}
	}
	if info.State.Msgs != uint64(len(got)) {
		t.Errorf("the server counts %d messages and gives %d", info.State.Msgs, len(got))
	}
	if info.State.LastSeq != messages+1 {
		t.Errorf("the last sequence is %d, want %d: the next message would get a number that was given before",
			info.State.LastSeq, messages+1)
	}
	return cost
}

func (m made) copy(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	copyTree(t, m.dir, dir)
	return dir
}

func file(dir, name string) string {
	return filepath.Join(dir, "jetstream", "$G", "streams", streamName, name)
}

func kinds() map[string]bool { return map[string]bool{"stopped": true, "killed": false} }

func TestWellStoreIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, clean := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newStore(t, clean)
			r := run(t, m.dir)
			if len(r.Damages) != 0 || r.Bytes == 0 {
				t.Errorf("%+v", r)
			}
			m.check(t, m.dir, r)
		})
	}
}

// TestFlips flips one bit anywhere in the messages, again and again, until enough of them have cost a message.
func TestFlips(t *testing.T) {
	t.Parallel()
	for name, clean := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newStore(t, clean)
			random := rand.New(rand.NewPCG(7, 7))
			costly, tried := 0, 0
			for ; costly < (*flips+1)/2 && !t.Failed(); tried++ {
				dir := m.copy(t)
				path := file(dir, "msgs/1.blk")
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				at := random.IntN(len(data) * 8)
				data[at/8] ^= 1 << (at % 8)
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
				if m.check(t, dir, run(t, dir)) > 0 {
					costly++
				}
				if t.Failed() {
					t.Logf("bit %d of byte %d of %d", at%8, at/8, len(data))
				}
			}
			t.Logf("%d flips, %d of them cost a message", tried, costly)
		})
	}
}

// TestDamagedFiles damages whole files. Whatever the server heals by itself or not, nothing is lost in silence.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	halve := func(t *testing.T, path string) {
		t.Helper()
		info, err := os.Stat(path)
		if err == nil {
			err = os.Truncate(path, info.Size()/2)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	remove := func(t *testing.T, path string) {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	flip := func(t *testing.T, path string) {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const blockFile, indexFile = "msgs/1.blk", "msgs/index.db"
	for name, c := range map[string]struct {
		damage  func(t *testing.T, dir string)
		damages int
		lost    bool
	}{
		"block cut off":             {func(t *testing.T, dir string) { halve(t, file(dir, blockFile)) }, 1, true},
		"block missing":             {func(t *testing.T, dir string) { remove(t, file(dir, blockFile)) }, 1, true},
		"index missing":             {func(t *testing.T, dir string) { remove(t, file(dir, indexFile)) }, 0, false},
		"index damaged":             {func(t *testing.T, dir string) { flip(t, file(dir, indexFile)) }, 1, false},
		"index missing, block flip": {func(t *testing.T, dir string) { remove(t, file(dir, indexFile)); flip(t, file(dir, blockFile)) }, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newStore(t, true)
			c.damage(t, m.dir)
			r := run(t, m.dir)
			if len(r.Damages) != c.damages {
				t.Errorf("%d damages, want %d: %+v", len(r.Damages), c.damages, r.Damages)
			}
			if cost := m.check(t, m.dir, r); (cost > 0) != c.lost {
				t.Errorf("%d messages are lost, want some: %t", cost, c.lost)
			}
			if again := run(t, m.dir); len(again.Damages) != 0 {
				t.Errorf("found again: %+v", again.Damages)
			}
		})
	}
}

// TestDamagedSettings makes a stream that the server does not open. One of the same name has its messages again.
func TestDamagedSettings(t *testing.T) {
	t.Parallel()
	m := newStore(t, true)
	path := file(m.dir, "meta.inf")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := run(t, m.dir); len(r.Damages) != 1 || r.Damages[0].File != path || r.Lost() != 0 {
		t.Errorf("%+v", r)
	}
	srv := natstest.Start(t, natstest.StoreDir(m.dir))
	js := srv.JetStream(t)
	if _, err := js.Stream(t.Context(), streamName); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("the server opens it all the same: %v", err)
	}
	s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: streamName, Subjects: []string{"events.>"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, s); len(got) != len(m.want) {
		t.Errorf("%d messages, want %d", len(got), len(m.want))
	}
}

// BenchmarkRun reads a store.
func BenchmarkRun(b *testing.B) {
	dir := b.TempDir()
	srv := natstest.Start(b, natstest.StoreDir(dir))
	js := srv.JetStream(b)
	if _, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: streamName, Subjects: []string{"events.>"}}); err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 1000)
	for n := range 100_000 {
		if n%1000 == 0 {
			<-js.PublishAsyncComplete()
		}
		msg := &nats.Msg{Subject: "events.a", Data: data, Header: nats.Header{"ce-id": {"1"}}}
		if _, err := js.PublishMsgAsync(msg); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	srv.Stop()
	for b.Loop() {
		r, err := scrub.Run(dir, dir)
		if err != nil || len(r.Damages) > 0 {
			b.Fatalf("%+v, %v", r, err)
		}
		b.SetBytes(r.Bytes)
	}
}

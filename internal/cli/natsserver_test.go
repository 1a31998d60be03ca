package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// store starts a server in dir, has it store one more message, and stops it. It returns what the server logged.
func store(t *testing.T, dir string) *observer.ObservedLogs {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	n, err := startNATS(0, dir, 1<<30, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	defer n.stop()
	nc, err := n.dial("test")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := awaitJetStream(t.Context(), js); err != nil {
		t.Fatal(err)
	}
	cfg := jetstream.StreamConfig{Name: "ONE", Subjects: []string{"one"}}
	if _, err := js.CreateOrUpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "one", []byte("x")); err != nil {
		t.Fatal(err)
	}
	return logs
}

// TestAKillBeforeIsNoWarning gives the server the index that a kill leaves behind: one from before the last message.
func TestAKillBeforeIsNoWarning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store(t, dir)
	index := filepath.Join(dir, "jetstream", "$G", "streams", "ONE", "msgs", "index.db")
	old, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	store(t, dir)
	if err := os.WriteFile(index, old, 0o600); err != nil {
		t.Fatal(err)
	}
	logs := store(t, dir)
	if n := logs.FilterLevelExact(zapcore.InfoLevel).Len(); n == 0 {
		t.Error("the server says nothing of an old index: this test does not test anything any more")
	}
	for _, l := range logs.All() {
		if l.Level > zapcore.InfoLevel {
			t.Errorf("%s: %s", l.Level, l.Message)
		}
	}
}

func TestOtherWarningsOfTheServerAreOneCleanLine(t *testing.T) {
	t.Parallel()
	a := testApp()
	log, err := a.logger("warn")
	if err != nil {
		t.Fatal(err)
	}
	l := &natsLogger{logger: log.Named("nats")}
	l.Warnf("  Error recreating stream %q: %v", "EVENTS", os.ErrNotExist)
	want := regexp.MustCompile(`^\d\d:\d\d:\d\d  warn  nats  Error recreating stream "EVENTS": .*\n$`)
	if got := a.stderr.(*bytes.Buffer).String(); !want.MatchString(got) {
		t.Errorf("%q", got)
	}
}

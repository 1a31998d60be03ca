package cli

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestALostServerIsTold loses a server of --nats twice and gets it back.
func TestALostServerIsTold(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.Listen(), natstest.StoreDir(t.TempDir()))
	var out terminal
	u := &upRun{app: testApp(), opts: upOptions{natsURL: srv.URL()}, console: newConsole(newTextView(&out, paint{}))}
	showing := startBackground(t.Context(), "console", func(ctx context.Context) error {
		u.console.run(ctx)
		return nil
	})
	if _, err := u.dial("core", u.tellOfServer()...); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 2; i++ {
		srv.Stop()
		awaitLines(t, &out, `(?m)^\S+ +nats-lost: .*functions go on when the server is back$`, i)
		srv.Restart(t)
		awaitLines(t, &out, `(?m)^\S+ +nats-back: after \d`, i)
	}
	u.close()
	showing.stop()
	if got := len(regexp.MustCompile("(?m)$\n").FindAllString(out.String(), -1)); got != 4 {
		t.Errorf("%d lines, want 4:\n%s", got, out.String())
	}
}

func awaitLines(t *testing.T, out *terminal, pattern string, n int) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	waittest.Eventually(t, func() error {
		if got := len(re.FindAllString(out.String(), -1)); got != n {
			return fmt.Errorf("%d lines like %s, want %d:\n%s", got, pattern, n, out)
		}
		return nil
	})
}

// TestUpEntersNothingInTheCatalog runs functions itself: a scaler that knew them would have KEDA start pods for the same events.
func TestUpEntersNothingInTheCatalog(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.Listen())
	fn := &function.Function{Metadata: function.Metadata{Namespace: "default", Name: "hello"}}
	fn.Spec.Triggers = []function.Trigger{{Event: &function.EventTrigger{
		Stream: stream.EventsStream, Subjects: []string{"events.hello"},
	}}}
	u := &upRun{
		app: testApp(), opts: upOptions{natsURL: srv.URL()}, functions: []*function.Function{fn}, problems: map[function.Key]string{},
	}
	t.Cleanup(u.close)
	if err := u.ensureStreams(t.Context()); err != nil || len(u.problems) > 0 {
		t.Fatalf("make streams: %v, %v", err, u.problems)
	}
	js := srv.JetStream(t)
	if _, err := js.Consumer(t.Context(), stream.EventsStream, stream.EventConsumer(fn.Key())); err != nil {
		t.Errorf("consumer of the function: %v", err)
	}
	if _, err := js.Stream(t.Context(), catalog.StreamName); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("stream of the catalog: %v, want none", err)
	}
}

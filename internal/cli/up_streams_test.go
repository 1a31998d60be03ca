package cli

import (
	"context"
	"fmt"
	"regexp"
	"testing"

	"github.com/pelton-dev/pelton/internal/natstest"
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

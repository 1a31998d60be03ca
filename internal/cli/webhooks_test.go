package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/testenv"
	"github.com/pelton-dev/pelton/internal/waittest"
)

var servesHTTP = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// TestWebhooksPage does what deploy/docs/webhooks.md says under "Try it": its blocks in order, in an empty folder, with a real
// pelton up on other ports.
func TestWebhooksPage(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl", "curl")
	page, err := os.ReadFile(filepath.Join("..", "..", "deploy", "docs", "webhooks.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := shellBlock.FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 2 {
		t.Fatalf("the page has %d sh blocks, want 2", len(blocks))
	}
	setup, start, _ := strings.Cut(blocks[0][1], "pelton up\n")
	if start != "" {
		t.Fatalf("the first block goes on after pelton up: %s", start)
	}
	r := newReader(t, t.TempDir())
	defer r.stop()
	r.runLine(setup)
	url := r.startAnywhere()
	send := strings.ReplaceAll(blocks[1][1], "http://127.0.0.1:8080", url)

	if said := r.say(send); !strings.Contains(said, `"id":"72d3162e-cc78-11e3-81ab-4c9367dc0958"`) || strings.Contains(said, "duplicate") {
		t.Errorf("answered %s", said)
	}
	r.await("com.github.push from https://github.com/octocat/hello")
	if said := r.say(send); !strings.Contains(said, `"duplicate":true`) {
		t.Errorf("answered %s", said)
	}
	forged := strings.ReplaceAll(send, "$(cat .pelton-secrets/github/webhook)", "another")
	if said := r.say(forged); forged == send || !strings.Contains(said, `"code":"invalid-signature"`) {
		t.Errorf("answered %s", said)
	}
	r.runLine("printf another > .pelton-secrets/github/webhook")
	if said := r.say(forged); !strings.Contains(said, `"duplicate":true`) {
		t.Errorf("with a changed secret it is answered %s", said)
	}
}

// startAnywhere runs pelton up on free ports and returns where it serves HTTP.
func (r *reader) startAnywhere() (url string) {
	r.t.Helper()
	r.up = r.command("exec pelton up --port 0 --nats-port 0")
	r.up.Stdout, r.up.Stderr = r.out, r.out
	if err := r.up.Start(); err != nil {
		r.t.Fatal(err)
	}
	waittest.Eventually(r.t, func() error {
		if url = servesHTTP.FindString(r.out.String()); url == "" {
			return fmt.Errorf("no address of HTTP in: %s", r.out)
		}
		return nil
	})
	return url
}

// say runs a script and returns what it writes.
func (r *reader) say(script string) string {
	r.t.Helper()
	out, err := r.command(script).CombinedOutput()
	r.t.Logf("$ %s\n%s", script, out)
	if err != nil {
		r.t.Errorf("%s: %v", script, err)
	}
	return string(out)
}

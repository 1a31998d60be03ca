package cli

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/testenv"
)

// TestHTTPPage does what deploy/docs/http.md says under "Try it": its blocks in order, in an empty folder, with a real pelton up on
// other ports. A browser's part is what Chromium sends for the form that the page has.
func TestHTTPPage(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "python3", "curl")
	page, err := os.ReadFile(filepath.Join("..", "..", "deploy", "docs", "http.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Try it\n")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := shellBlock.FindAllStringSubmatch(section, -1)
	if len(blocks) != 2 {
		t.Fatalf("the section has %d sh blocks, want 2", len(blocks))
	}
	setup, rest, _ := strings.Cut(blocks[0][1], "pelton up\n")
	if rest != "" {
		t.Fatalf("the first block goes on after pelton up: %s", rest)
	}
	r := newReader(t, t.TempDir())
	defer r.stop()
	r.runLine(setup)
	url := r.startAnywhere()
	said := r.say(strings.ReplaceAll(blocks[1][1], "http://127.0.0.1:8080", url))
	for _, want := range []string{"Welcome, Ada Lovelace!\n", "Welcome, Grace!\n", `"subject":"events.visits"`} {
		if !strings.Contains(said, want) {
			t.Errorf("the page promises %q", want)
		}
	}
	b := browser{t, url}
	b.submits("Ada & <Ada>", "Welcome, Ada &amp; &lt;Ada&gt;!\n")
	b.otherPageSubmits()
}

// browser does what Chromium does with a page and its form.
type browser struct {
	t   *testing.T
	url string
}

var formTag = regexp.MustCompile(`<form method="(\w+)" action="([^"]+)"><input name="(\w+)">`)

// submits opens the page, writes a text into its form and sends it.
func (b browser) submits(text, want string) {
	b.t.Helper()
	status, page := b.navigate(http.MethodGet, "/guests", "", "none", "")
	form := formTag.FindStringSubmatch(page)
	if status != http.StatusOK || form == nil {
		b.t.Fatalf("the page is %d %s", status, page)
	}
	body := form[3] + "=" + strings.NewReplacer(" ", "+", "&", "%26", "<", "%3C", ">", "%3E").Replace(text)
	if status, said := b.navigate(strings.ToUpper(form[1]), form[2], body, "same-origin", b.url); status != http.StatusOK || said != want {
		b.t.Errorf("the form is answered %d %q, want %q", status, said, want)
	}
}

// otherPageSubmits sends the same form from a page of another site, and from a file.
func (b browser) otherPageSubmits() {
	b.t.Helper()
	for _, origin := range []string{"https://evil.example", "null"} {
		status, said := b.navigate(http.MethodPost, "/guests", "guest=Mallory", "cross-site", origin)
		if status != http.StatusForbidden || !strings.Contains(said, `"code":"cross-origin"`) {
			b.t.Errorf("a form of %s is answered %d %s", origin, status, said)
		}
	}
}

func (b browser) navigate(method, path, body, site, origin string) (status int, said string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Upgrade-Insecure-Requests": "1",
		"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) " +
			"Chrome/141.0.0.0 Safari/537.36",
		"Accept":         "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
		"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1", "Sec-Fetch-Dest": "document",
	} {
		req.Header.Set(name, value)
	}
	if origin != "" {
		req.Header.Set("Origin", origin)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

package bridge

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/stream"
)

// badRow is one request that must be refused. The id in brackets is that of the row in the list of bad inputs that the
// suite goes through: B for HTTP, C for CloudEvents, W for webhooks.
type badRow struct {
	name    string
	request string // as it goes over the wire: net/http's client would not send most of them
	status  int    // 0 is no answer: the connection is closed
	code    string
	says    []string // what the problem must name: the place, what was found there
	faults  int      // entries of errors; 0 is one in events, none elsewhere
	header  string   // "Name: value" that the answer must have
	end     ending
}

// ending is what follows a bad request on its connection.
type ending int

const (
	another ending = iota // a good request, which must not be carried out (B10)
	silence               // nothing: the request is not complete, the client stalls
	hangUp                // the end: the request is not complete, the client closes
)

// badGroup is what one server is asked.
type badGroup struct {
	name   string
	change func(*Config)
	rows   []badRow
	setUp  func(*testing.T, *bridge) // nil does nothing
}

func badGroups() []badGroup {
	none := func(*Config) {}
	return []badGroup{
		{"framing", none, join(lengthRows(), encodingRows(), chunkRows(), headRows(), headerSizeRows()), nil},
		{"request", none, join(methodRows(), pathRows(), escapeRows(), negotiationRows(), plainRows()), nil},
		{"caller", none, join(hostRows(), originRows()), nil},
		{"body", func(c *Config) { c.MaxBody = 1000 }, bodyRows(), nil},
		{"stall", func(c *Config) { c.ReadTimeout, c.HeaderTimeout = 1500*time.Millisecond, time.Second }, stallRows(), nil},
		{"token", func(c *Config) { c.Token = testToken }, tokenRows(), nil},
		{"binary", none, join(binaryMissingRows(), binaryTextRows(), binaryHeaderRows(), binaryGrammarRows()), nil},
		{"structured", none, join(jsonMissingRows(), jsonTextRows(), jsonNameRows(), jsonGrammarRows()), nil},
		{"data", none, join(jsonDataRows(), jsonSyntaxRows()), nil},
		{"batch", none, join(batchRows(), typeRows(), wideRows()), nil},
		{"size", func(c *Config) { c.MaxMessage = 4 << 10 }, sizeRows(), nil},
		{"webhook", none, webhookRows(), hookRoutes},
		{"later", none, laterRows(), laterRoutes},
	}
}

// TestBadInput sends every bad request there is, one by one. Each is refused with the status and the problem it deserves, in
// words that help; nothing is stored; what follows on its connection is not carried out; and the next good request passes.
func TestBadInput(t *testing.T) {
	t.Parallel()
	total := 0
	for _, g := range badGroups() {
		total += len(g.rows)
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			b := serve(t, g.change)
			if g.setUp != nil {
				g.setUp(t, b)
			}
			seen := map[string]bool{}
			for _, row := range g.rows {
				if seen[row.name] {
					t.Errorf("two rows are named %q", row.name)
				}
				seen[row.name] = true
				t.Run(row.name, func(t *testing.T) { b.refuses(t, row) })
			}
		})
	}
	if total < 800 {
		t.Errorf("the suite has %d rows: some are gone", total)
	}
}

// refuses sends the request of a row and looks at all that must hold afterwards.
func (b *bridge) refuses(t *testing.T, row badRow) {
	t.Helper()
	before := b.count(t)
	work, err := b.nats.JetStream(t).Stream(t.Context(), stream.WorkStream)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if n := stored(t, work); n != 0 {
			t.Errorf("%d events are in the queues of functions", n)
		}
	}()
	request := row.request
	if row.end == another {
		request += wirePost("/events/second", "1", tokenHeader(b)...)
	}
	c := b.dial(t)
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	if row.end == hangUp {
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	if row.status == 0 {
		if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
			t.Errorf("answered %q, %v; want the connection closed", got, err)
		}
		b.unharmed(t, before)
		return
	}
	a, rest := readWire(t, c)
	p := wantProblem(t, a, row.status, row.code)
	if !a.Close || rest != "" {
		t.Errorf("close %v, then %q; want the connection closed", a.Close, rest)
	}
	if name, value, _ := strings.Cut(row.header, ": "); a.Header.Get(name) != value {
		t.Errorf("%s: %q, want %q", name, a.Header.Get(name), value)
	}
	wantWords(t, p, row)
	b.unharmed(t, before)
}

// helps is in every sentence that says what is allowed or what to do.
var helps = regexp.MustCompile(`(?i)\b(want|compare|choose|at most|use|send|post|say|leave|keep|write|needs?|must)\b`)

// wantWords checks that a problem names what the row says, points at each fault, and says each time what would be right.
func wantWords(t *testing.T, p problem, row badRow) {
	t.Helper()
	if want := max(row.faults, min(1, len(p.Errors))); len(p.Errors) != want {
		t.Errorf("%d errors, want %d: %+v", len(p.Errors), want, p.Errors)
	}
	text := p.Detail
	for _, f := range p.Errors {
		text += fmt.Sprint("\n", f.Header, " ", f.Pointer, " ", f.Detail)
		if f.Code == "" || !helps.MatchString(f.Detail) || len(f.Detail) > 400 {
			t.Errorf("error does not say what would be right: %+v", f)
		}
	}
	if len(p.Errors) == 0 && !helps.MatchString(p.Detail) {
		t.Errorf("detail does not say what to do: %s", p.Detail)
	}
	for _, word := range row.says {
		if !strings.Contains(text, word) {
			t.Errorf("the problem does not name %q: %s", word, text)
		}
	}
}

func join(families ...[]badRow) []badRow {
	var rows []badRow
	for _, f := range families {
		rows = append(rows, f...)
	}
	return rows
}

// wireHead is a request line with a Host, to be completed.
func wireHead(method, path string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n"
}

// wirePost is a whole request; header is pairs of names and values.
func wirePost(path, body string, header ...string) string {
	head := wireHead("POST", path)
	for i := 0; i+1 < len(header); i += 2 {
		head += header[i] + ": " + header[i+1] + "\r\n"
	}
	return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
}

// shown bounds a value in the name of a row.
func shown(s string) string {
	q := fmt.Sprintf("%q", s)
	if len(q) > 48 {
		q = fmt.Sprintf("%s... (%d bytes)", q[:40], len(s))
	}
	return q
}

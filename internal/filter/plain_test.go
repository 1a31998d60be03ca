package filter

import (
	"strings"
	"testing"

	"cel.dev/cel-go/common/types"
	"pgregory.net/rapid"

	"github.com/pelton-dev/pelton/internal/event"
)

var (
	someNames = []string{"type", "source", "id", "specversion", "subject", "time", "datacontenttype", "dataschema", "region", "nope"}
	someTexts = []string{"", "a", "ab", "b", "1.0"}
)

// drawCondition makes an expression of plain conditions and of others, which only CEL can tell.
func drawCondition(t *rapid.T, depth int) string {
	if depth > 0 && rapid.Bool().Draw(t, "chain") {
		operator := rapid.SampledFrom([]string{" && ", " || "}).Draw(t, "operator")
		return "(" + drawCondition(t, depth-1) + operator + drawCondition(t, depth-1) + ")"
	}
	name := rapid.SampledFrom(someNames).Draw(t, "name")
	text := `"` + rapid.SampledFrom(someTexts).Draw(t, "text") + `"`
	switch rapid.IntRange(0, 6).Draw(t, "kind") {
	case 0, 1:
		return "event." + name + " == " + text
	case 2:
		return "event." + name + " != " + text
	case 3:
		return "event." + name + ".startsWith(" + text + ")"
	case 4:
		return text + " == event." + name
	case 5:
		return "has(event." + name + ")"
	default:
		return "data.n > 1"
	}
}

func drawEvent(t *rapid.T) *event.Event {
	text := func(name string) string { return rapid.SampledFrom(someTexts).Draw(t, name) }
	e := &event.Event{
		ID: text("id"), Source: text("source"), Type: text("type"), Subject: text("subject"), Time: text("time"),
		DataContentType: text("datacontenttype"), DataSchema: text("dataschema"),
		Data: []byte(rapid.SampledFrom([]string{"", `{"n":1}`, `{"n":2}`, "no JSON"}).Draw(t, "data")),
	}
	if rapid.Bool().Draw(t, "extended") {
		e.Extensions = []event.Attribute{{Name: "region", Value: text("region")}}
	}
	return e
}

// TestPlainIsCEL holds what is decided without CEL to CEL's own answer: whatever is decided, CEL decides so too, without an error.
func TestPlainIsCEL(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		expr := drawCondition(t, 2)
		f, err := Compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			e := drawEvent(t)
			if f.plain == nil || f.plain(e) == unknown {
				continue
			}
			out, err := evaluate(f.program, &f.scratch, e)
			if err != nil || out != types.Bool(f.plain(e) == yes) {
				t.Fatalf("%s of %+v: decided %v, CEL says %v, %v", expr, e, f.plain(e) == yes, out, err)
			}
		}
	})
}

// TestPlainIsFound names what need not ask CEL, so that none of it gets slow unseen.
func TestPlainIsFound(t *testing.T) {
	t.Parallel()
	e := &event.Event{ID: "1", Source: "/shop", Type: "order.created", Data: []byte("no JSON")}
	for expr, want := range map[string]verdict{
		`event.type == "order.created"`:                               yes,
		`event.type != "order.created"`:                               no,
		`event.type.startsWith("order.") && event.source == "/shop"`:  yes,
		`event.type == "other" && data.bytes > 1024`:                  no,
		`event.type == "order.created" || data.bytes > 1024`:          yes,
		`event.type == "a" || event.type == "b" || event.type == "c"`: no,
		`event.subject == "x"`:                                        unknown, // CEL says that it is not there
		`event.type == "order.created" && data.bytes > 1024`:          unknown,
	} {
		f, err := Compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		if f.plain == nil || f.plain(e) != want {
			t.Errorf("%s: not decided as %d", strings.TrimSpace(expr), want)
		}
	}
}

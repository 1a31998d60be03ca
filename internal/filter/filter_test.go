package filter_test

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/filter"
)

func sample() *event.Event {
	return &event.Event{
		ID: "1", Source: "/shop", Type: "order.created", DataContentType: "application/json",
		Extensions: []event.Attribute{{Name: "region", Value: "no"}, {Name: "size", Value: "7"}},
		Data:       []byte(`{"bytes":2048,"id":9007199254740993,"rate":1.0,"list":[1,2,3],"none":null,"name":"Ada","big":1e400}`),
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expr string
		want bool
	}{
		{`event.type == "order.created"`, true},
		{`event.type == "order.created" && data.bytes > 1024`, true},
		{`event.type.startsWith("user.")`, false},
		{`event.specversion == "1.0" && event.source == "/shop" && event.id == "1"`, true},
		{`event.region in ["no", "se"]`, true},
		{`int(event.size) > 6`, true},
		{`has(event.subject)`, false},
		{`has(event.region)`, true},
		{`"subject" in event`, false},
		{`size(event) == 7`, true},
		{`event.exists(name, event[name] == "no")`, true},
		{`data.bytes > 1024.5`, true},
		{`data.bytes == 2048u`, true},
		{`data.rate == 1`, true},
		{`data.id == 9007199254740993`, true},
		{`data.id == 9007199254740992`, false},
		{`data.big > 1.0`, true},
		{`3 in data.list`, true},
		{`data.list.exists(x, x == 3)`, true},
		{`data.none == null`, true},
		{`has(data.nope)`, false},
		{`has(data.nope) && data.nope == 1`, false},
		{`data.name.matches("^A.a$")`, true},
		{`event.type == "order.created" || data.nope == 1`, true}, // an error that does not change the result is none
		{`event.type == "other" && data.nope == 1`, false},
	} {
		t.Run(c.expr, func(t *testing.T) {
			t.Parallel()
			f, err := filter.Compile(c.expr)
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Match(sample())
			if err != nil || got != c.want {
				t.Fatalf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestMatchFailsWithTheReason(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, data, want string }{
		{`event.subject == "x"`, `{}`, "no such key: subject"},
		{`data.nope == 1`, `{}`, "no such key: nope"},
		{`data.a == 1`, "plain text", "the data is not JSON"},
		{`data.a == 1`, `{"a":1} {}`, "more follows"},
		{`data.a == 1`, `{"a":1}}`, "more follows"},
		{`data.a == 1`, "", "the event has no data"},
		{`data.a > 1`, `{"a":"x"}`, "no such overload"},
		{`data.a`, `{"a":1}`, "gave a int, not true or false"},
		{`data.all(x, data.all(y, x == y))`, "[" + strings.Repeat("1,", 2000) + "1]", "cost limit exceeded"},
		{`int(data.a) > 1`, `{"a":"x"}`, "type conversion error"},
	} {
		t.Run(c.expr+" on "+c.data[:min(8, len(c.data))], func(t *testing.T) {
			t.Parallel()
			f, err := filter.Compile(c.expr)
			if err != nil {
				t.Fatal(err)
			}
			e := sample()
			e.Data = []byte(c.data)
			match, err := f.Match(e)
			if match || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, %v, want an error with %q", match, err, c.want)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, want string }{
		{``, "column 1: the expression is empty"},
		{" \n", "column 1: the expression is empty"},
		{strings.Repeat("a", filter.MaxLength+1), "at most 4096"},
		{`type = 'x'`, "column 6: token recognition error at: '= ' (write == to compare)"},
		{`event.type == `, "column 15: the expression ends too early"},
		{`event.type & 'x'`, "(write && for and, || for or)"},
		{`event.type == 'x' and true`, "(write && for and)"},
		{`event.type == 'x' or true`, "(write || for or)"},
		{`event.type == "x`, "(a string is not closed)"},
		{`event.type == 'x`, "(a string is not closed)"},
		{`evnt.type == 'x'`, "column 1: undeclared reference to 'evnt' (did you mean 'event'?)"},
		{`subject == 'x'`, "(the names are event,"},
		{`event.bytes > 1024`, "column 13: found no matching overload for '_>_' applied to '(string, int)' (attributes are strings"},
		{`event.subject != null`, "(an attribute is set or not: ask has(event.name))"},
		{`type == 'x'`, "(write event.type for the type of the event)"},
		{`event.type`, "gives a string, not true or false (compare it"},
		{`1 + 1`, "gives a int, not true or false"},
		{`event.type.matches('[')`, "(the regular expression is not valid (RE2 syntax))"},
		{"event.type == 'a'\n && event.x ==", "line 2, column 15: the expression ends too early"},
		{"\x00", "column 1: "},
		{"'\xff' == 'a'", "column 1: "},
		{strings.Repeat("(", 300) + "true" + strings.Repeat(")", 300), "column "},
		{`data.all(a, data.all(b, data.all(c, true)))`, "nesting limit"},
		{`-`, "column 2: no viable alternative"},
		{`a in ()`, "column 7"},
		{`NOT event.type`, "column 5"},
	} {
		t.Run(c.expr[:min(20, len(c.expr))], func(t *testing.T) {
			t.Parallel()
			_, err := filter.Compile(c.expr)
			var refused *filter.Error
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an *Error with %q", err, c.want)
			}
			if strings.ContainsAny(err.Error(), "\n\r\x00") || refused.Column < 1 || refused.Line < 1 {
				t.Fatalf("not one line with a place: %q", err)
			}
		})
	}
}

func TestFilterIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	f, err := filter.Compile(`event.type == "order.created" && data.list.all(x, x < 10) && data.name.matches("A.a")`)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if match, err := f.Match(sample()); !match || err != nil {
					t.Errorf("got %v, %v", match, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		`event.type == "a" && data.bytes > 1024`, `has(event.subject)`, `type = `, `NOT`, `1 +`, `a IN ()`, `-`, `event[`,
		`data.map(x, x)`, `event.type.matches("(")`, `timestamp("x") < 1`, "\xff", `{1: 2}`, `[1][2] == 3`, `9999999999999999999 > 1`,
		`b"\xff" == b""`, `duration("1s") > duration(event.time)`, `dyn(1) == "a"`, `data.a.b[0].c ? true : false`,
	} {
		f.Add(seed, []byte(`{"bytes":1}`))
	}
	f.Fuzz(func(t *testing.T, expr string, data []byte) {
		compiled, err := filter.Compile(expr)
		if err != nil {
			var refused *filter.Error
			if !errors.As(err, &refused) || strings.ContainsAny(err.Error(), "\n\r\x00") {
				t.Fatalf("not an *Error on one line: %q", err)
			}
			return
		}
		e := sample()
		e.Data = data
		if match, err := compiled.Match(e); match && err != nil {
			t.Fatalf("a match with an error: %v", err)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, expr := range []string{
		`event.type == "order.created"`,
		`event.type == "order.created" && data.bytes > 1024`,
		`event.type == "other" && data.bytes > 1024`,
		`data.list.exists(x, x == 3)`,
	} {
		b.Run(expr, func(b *testing.B) {
			f, err := filter.Compile(expr)
			if err != nil {
				b.Fatal(err)
			}
			e := sample()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Match(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCompile also reports what one compiled filter keeps on the heap.
func BenchmarkCompile(b *testing.B) {
	var filters []*filter.Filter
	if _, err := filter.Compile("true"); err != nil { // builds what all filters share
		b.Fatal(err)
	}
	before := heap()
	b.ReportAllocs()
	for b.Loop() {
		f, err := filter.Compile(`event.type == "order.created" && data.bytes > 1024`)
		if err != nil {
			b.Fatal(err)
		}
		filters = append(filters, f)
	}
	b.ReportMetric(float64(heap()-before)/float64(len(filters)), "heap-B/filter")
	runtime.KeepAlive(filters)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

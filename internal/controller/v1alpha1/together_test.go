package v1alpha1_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// togetherCases are about fields that depend on each other.
func togetherCases(t *testing.T) (cases []manifestCase) {
	t.Helper()
	add := func(name string, changes ...change) { cases = append(cases, caseOf(t, name, changes...)) }
	const protocol, port, listen = "spec.handler.protocol", "spec.handler.port", "spec.handler.listen"
	for _, is := range []any{"cloudevents", "http", "exec", "stream", absent{}} {
		for _, number := range []any{8080, absent{}} {
			for _, way := range []any{"tcp", "unix", absent{}} {
				add(fmt.Sprint("protocol ", is, ", port ", number, ", listen ", way), change{protocol, is}, change{port, number}, change{listen, way})
			}
		}
		add(fmt.Sprint("CE_ID and protocol ", is), change{protocol, is}, change{port, absent{}}, change{listen, absent{}},
			change{"spec.handler.env.0.name", "CE_ID"})
	}
	for _, image := range []any{"a", absent{}} {
		for _, command := range []any{texts("run"), []any{}, absent{}} {
			add(fmt.Sprint("image ", image, ", command ", command), change{"spec.handler.image", image}, change{"spec.handler.command", command})
		}
	}
	for _, least := range []any{0, 1, 5, 20, 21, absent{}} {
		for _, most := range []any{1, 4, 5, 20, 1000, absent{}} {
			add(fmt.Sprint("replicas from ", least, " to ", most), change{"spec.scale.minReplicas", least}, change{"spec.scale.maxReplicas", most})
		}
	}
	for _, least := range []any{"0s", "1s", "10m", "20m", absent{}} {
		for _, most := range []any{"0s", "500ms", "1s", "10m", "600s", "20m", absent{}} {
			add(fmt.Sprint("backoff from ", least, " to ", most), change{"spec.retry.minBackoff", least}, change{"spec.retry.maxBackoff", most})
		}
	}
	for _, is := range []any{"cloudevents", "http", "exec", "stream", absent{}} {
		for _, concurrency := range []any{1, 8, 10, 11, absent{}} {
			add(fmt.Sprint("batches of 1000 for protocol ", is, " with concurrency ", concurrency), change{protocol, is}, change{port, absent{}},
				change{listen, absent{}}, change{"spec.concurrency", concurrency}, change{"spec.batch.maxEvents", 1000})
		}
	}
	for _, attempts := range []any{1, 2, absent{}} {
		for _, batch := range []any{map[string]any{"maxEvents": 2}, absent{}} {
			add(fmt.Sprint("batch ", batch, " with attempts ", attempts), change{"spec.retry.maxAttempts", attempts}, change{"spec.batch", batch})
		}
	}
	for _, mode := range []any{"sync", "async", absent{}} {
		add(fmt.Sprint("callers with mode ", mode, " of a function with batches"), change{"spec.triggers.2.http.mode", mode},
			change{"spec.handler.protocol", "exec"}, change{"spec.handler.port", absent{}}, change{"spec.handler.listen", absent{}},
			change{"spec.batch", map[string]any{"maxEvents": 2}})
	}
	for name, triggers := range triggerLists() {
		add(name, change{"spec.triggers", triggers})
	}
	return cases
}

// triggerLists are lists of triggers as a whole.
func triggerLists() map[string][]any {
	http := func(path string, methods ...string) any {
		trigger := map[string]any{"path": path}
		if methods != nil {
			trigger["methods"] = texts(methods...)
		}
		return map[string]any{"http": trigger}
	}
	both := map[string]any{"event": map[string]any{"subjects": texts("a")}, "http": map[string]any{"path": "/a"}}
	return map[string][]any{
		"no trigger":              {},
		"nothing":                 {map[string]any{}},
		"two in one":              {both},
		"one route twice":         {http("/a"), http("/a")},
		"one route by default":    {http("/a"), http("/a", "GET", "POST")},
		"one path, two methods":   {http("/a"), http("/a", "GET")},
		"one method, two paths":   {http("/a", "GET"), http("/b", "GET")},
		"same subject elsewhere":  {events("A", "a"), events("B", "a")},
		"same subject, twice":     {events("A", "a"), events("A", "a")},
		"subjects that overlap":   {events("A", "a.>"), events("A", "a.*.b")},
		"32 triggers":             manyTriggers(32, 1),
		"33 triggers":             manyTriggers(33, 1),
		"256 subjects":            manyTriggers(1, 256),
		"257 subjects":            manyTriggers(1, 257),
		"256 subjects in several": manyTriggers(32, 8),
		"288 subjects in several": manyTriggers(32, 9),
		"32 long subjects":        {events("EVENTS", longSubjects(32)...)},
		"256 long subjects":       {events("EVENTS", longSubjects(256)...)},
	}
}

func events(stream string, subjects ...string) any {
	return map[string]any{"event": map[string]any{"stream": stream, "subjects": texts(subjects...)}}
}

func manyTriggers(n, subjects int) []any {
	triggers := make([]any, n)
	for i := range triggers {
		names := make([]string, subjects)
		for j := range names {
			names[j] = fmt.Sprintf("a.%d.%d", i, j)
		}
		triggers[i] = events("EVENTS", names...)
	}
	return triggers
}

// longSubjects take the rules as long as subjects can.
func longSubjects(n int) []string {
	subjects := make([]string, n)
	for i := range subjects {
		subjects[i] = fmt.Sprintf("s%03d", i) + strings.Repeat(".a", 125)
	}
	return subjects
}

// exceptionCases are all rules that no resource definition can have. The list is in deploy/docs/manifest.md, too.
func exceptionCases(t *testing.T) (cases []manifestCase) {
	t.Helper()
	for beyond, changes := range map[string][]change{
		"a cron expression that never fires":     {{"spec.triggers.1.schedule.cron", "0 0 31 2 *"}},
		"a cron range that runs backwards":       {{"spec.triggers.1.schedule.cron", "0 22-2 * * *"}},
		"a time zone that does not exist":        {{"spec.triggers.1.schedule.timeZone", "Mars/Phobos"}},
		"data of more than 512 KiB":              {{"spec.triggers.1.schedule.data", strings.Repeat("x", 512<<10)}},
		"data that nests more than 100 levels":   {{"spec.triggers.1.schedule.data", nested(101)}},
		"subjects of one trigger that overlap":   {{"spec.triggers.0.event.subjects", texts("a.*", "a.b")}},
		"a cron step that is too large to write": {{"spec.triggers.1.schedule.cron", "*/99999999999999999999 * * * *"}},
	} {
		c := caseOf(t, beyond, changes...)
		c.beyond = beyond
		cases = append(cases, c)
	}
	for stored, edit := range map[string][2]string{
		"a whole number with a fraction of zero is a whole number to an apiserver": {`"port":8080`, `"port":8080.0`},
		"a whole number with an exponent is a whole number to an apiserver":        {`"port":8080`, `"port":808e1`},
		"metadata has more fields for an apiserver":                                {`"metadata":{`, `"metadata":{"finalizers":["example.com/a"],`},
	} {
		text := strings.Replace(string(encode(t, full(t))), edit[0], edit[1], 1)
		cases = append(cases, manifestCase{name: stored, text: []byte(text), stored: stored})
	}
	slices.SortFunc(cases, func(a, b manifestCase) int { return strings.Compare(a.name, b.name) })
	return cases
}

func nested(depth int) any {
	var data any = []any{}
	for range depth {
		data = []any{data}
	}
	return data
}

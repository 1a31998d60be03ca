package v1alpha1_test

import (
	"fmt"
	"strings"
	"testing"
)

// values are what is tried at one place, good and bad: whether it is good the validator says.
type values struct {
	path string
	try  []any
}

// valueCases tries values around every bound and rule.
func valueCases(t *testing.T) (cases []manifestCase) {
	t.Helper()
	for _, v := range append(headValues(), append(triggerValues(), append(handlerValues(), deliveryValues()...)...)...) {
		for i, value := range v.try {
			cases = append(cases, caseOf(t, fmt.Sprintf("%s value %d: %.60v", v.path, i, value), change{v.path, value}))
		}
	}
	return cases
}

func texts(values ...string) (list []any) {
	for _, v := range values {
		list = append(list, v)
	}
	return list
}

// long is around a bound in characters, and then in bytes.
func long(bound int) []any {
	return texts(strings.Repeat("a", bound), strings.Repeat("a", bound+1), strings.Repeat("é", bound/2),
		strings.Repeat("é", bound/2+1), strings.Repeat("é", bound), strings.Repeat("😀", bound/4+1))
}

func numbers(values ...int64) (list []any) {
	for _, v := range values {
		list = append(list, v)
	}
	return list
}

func headValues() []values {
	names := texts("a", "1", "a-b", "-a", "a-", "a.b", "A", "a_b", "a b", strings.Repeat("a", 50), strings.Repeat("a", 51), "ü", "a\n")
	labels := texts("a", "", "a b", "-a", "a-", "A.b_c-1", strings.Repeat("a", 63), strings.Repeat("a", 64), "ä", "a/b", "a\n")
	keys := texts("a", "", "a b", "a/b", "a.b/c", "A.b/c", "a/b/c", "/a", "a/", "a_b/c", strings.Repeat("a", 63), strings.Repeat("a", 64),
		strings.Repeat("a.", 126)+"a/b", strings.Repeat("a.", 127)+"/b", strings.Repeat("a", 300)+"/b", strings.Repeat("a", 100)+".b/c", "x\n")
	list := []values{
		{"apiVersion", texts("pelton.dev/v1alpha1", "pelton.dev/v1", "v1alpha1", "apps/v1")},
		{"kind", texts("Function", "function", "Functions", "Deployment")},
		{"metadata.name", names},
		{"metadata.labels.team", labels},
		{"metadata.annotations.contact", texts("", "any thing\n\x01", strings.Repeat("a", 256<<10-7), strings.Repeat("a", 256<<10-6))},
	}
	for _, place := range []string{"labels", "annotations"} {
		v := values{path: "metadata." + place}
		for _, key := range keys {
			v.try = append(v.try, map[string]any{key.(string): "x"})
		}
		list = append(list, v)
	}
	return list
}

func subjects() []any {
	return append(long(255), texts("a", "a.b", "a..b", ".a", "a.", ".", "*", "a.*", "a.>", "a.>.b", "a.*.b", "*.*", "a*", "a>", "*a.b", "a b",
		"a\tb", "a\n", "a\x01", "a\u200b", "a\u00a0b", "ä.ö", "日本.語", "😀", "e\u0301", "\ufffd", "\u0378", "\ue000", "pelton", "pelton.a", "peltons.a",
		"a.pelton", "$JS", "$JS.>", "$KV", "$KV.a", "$KVX.a", "$O.a", "$OX", "$", "a.$JS", "_INBOX", "_INBOX.a", "_INBOXES.a", "_R_", "_R_.a", "_R_a",
		"_GR_.a", "_GR_", "a._R_", "\\", "a'b", `a"b`, "(a", "a|b", "")...)
}

func triggerValues() []values {
	streams := append(long(255), texts("A", "a-b_c", "A.B", "A B", "A*", "A>", "A/B", `A\B`, "", "PELTON_WORK", "PELTON", "PELTON_", "pelton_a",
		"Ä", "日本", "a\u0301", "a\x01", "a\u200b", "\ufffd", "a\n", "😀")...)
	zones := texts("UTC", "Europe/Oslo", "Etc/GMT+1", "America/Port-au-Prince", "", "Local", "../etc", "Europe Oslo", "a\x00b", "Ä")
	paths := append(long(255), texts("/", "", "a", "/a", "/a/", "//", "/a//b", "/a/b", "/./a", "/..", "/a/..", "/a/../b", "/...", "/a.b", "/.a", "/~a-b_c",
		"/a b", "/ä", "/a%20", "/a?b", "/{a}", "/events", "/events/a", "/eventsource", "/events.a", "/healthz", "/readyz/a", "/metrics", "/debug", "/pelton",
		"/a/events", "/a\n", "/*", "/a/*", "/a/b/*", "/a*", "/a/*/b", "/*/a", "//*", "/a/*/", "/**", "*", "/./*", "/.../*", "/events/*",
		"/invocations", "/invocations/*", "/livez", "/"+strings.Repeat("a", 254), "/"+strings.Repeat("a", 255))...)
	return []values{
		{"spec.triggers.0.event.stream", streams},
		{"spec.triggers.0.event.subjects.0", subjects()},
		{"spec.reply.subject", subjects()},
		{"spec.triggers.0.event.filter", append(long(16<<10), "")},
		{"spec.triggers.1.schedule.cron", append(crons(), texts("a\x01 b c d e", "0 0 * *", "0 0 * * * *", "@every 1h", "@reboot", "",
			"TZ=UTC 0 0 * * *", "0 0 * * #", "0 0 * *\u200b*", "@daily ", " @daily", "@DAILY")...)},
		{"spec.triggers.1.schedule.timeZone", zones},
		{"spec.triggers.1.schedule.data", []any{nil, 1, 1.5, "text", true, []any{}, []any{nil}, map[string]any{"a": nil}}},
		{"spec.triggers.2.http.path", paths},
		{"spec.triggers.2.http.methods", []any{
			[]any{},
			texts("GET"), texts("get"), texts("GET", "POST", "PUT", "PATCH", "DELETE"), texts("GET", "GET"), texts("HEAD"), texts(""),
			texts("GET", "POST", "PUT", "PATCH", "DELETE", "GET"),
		}},
		{"spec.triggers.2.http.mode", texts("async", "sync", "", "asynk")},
		{"spec.triggers.2.http.callbacks", []any{absent{}, map[string]any{}, map[string]any{"allow": texts("https://a/x")}}},
		{"spec.triggers.2.http.callbacks.allow", []any{
			[]any{},
			texts("https://a/x", "https://a/x"), texts("https://a/x", "https://b/*"), manyTexts("https://a/%d", 16), manyTexts("https://a/%d", 17),
		}},
		{"spec.triggers.2.http.callbacks.allow.0", texts(
			"https://a/", "https://a", "https://a/*", "https://a/b/*", "https://a/*/b", "https://a/b*", "http://a/b", "https://A/b", "https://*/b",
			"https://a/../b", "https://a/b/..", "https://a/.b", "https://u@a/b", "https://a:8443/b", "https://a:0/b", "https://a:123456/b",
			"https://a/b?c", "https://a/b#c", "https://a//b", "https://[::1]/b", "https://a./b", "https://-a/b", "", "https://a.b-c.d/~e_f/",
			"https://a/"+strings.Repeat("b", 245), "https://a/"+strings.Repeat("b", 246), "https://\u00e5/b", "https://a/\u00e5", "https://a/b\n",
		)},
		{"spec.triggers.2.http.callbacks.secretFrom", []any{secrets(0), secrets(1), secrets(4), secrets(5)}},
		{"spec.triggers.2.http.webhook", []any{map[string]any{"scheme": "slack", "secretFrom": secrets(1)}}},
		{"spec.triggers.3.http.mode", texts("async", "sync")},
		{"spec.triggers.3.http.methods", []any{absent{}, texts("POST"), texts("POST", "PUT"), texts("GET")}},
		{"spec.triggers.3.http.webhook.scheme", texts("standard", "github", "stripe", "slack", "GitHub", "gitlab", "")},
		{"spec.triggers.3.http.webhook.secretFrom", []any{secrets(0), secrets(1), secrets(4), secrets(5), []any{map[string]any{}}}},
		{"spec.triggers.3.http.webhook.secretFrom.0.secretKeyRef.name", texts("a", "A", "", "a/b")},
		{"spec.triggers.3.http.webhook.secretFrom.0.secretKeyRef.key", texts("a", "A", "", "a/b", "..")},
	}
}

func manyTexts(format string, n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return list
}

func secrets(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = map[string]any{"secretKeyRef": map[string]any{"name": "a", "key": fmt.Sprint(i)}}
	}
	return list
}

// crons are good ones.
func crons() []any {
	return texts("@hourly", "@daily", "@weekly", "@monthly", "@yearly", "* * * * *", "0 0 1 1 0", "*/5 8-18 1 JAN,jul Mon-Fri", "0 0 29 2 *",
		"0\t0  * * *", " 0 0 * * * ", "0\u20030 * * *", "0 0 ? * MON", strings.Repeat("1,", 500)+"1 * * * *", "0 0 * * *\n", "0\u00850 * * *", "0\v0 * * *",
		"0 0 * *"+strings.Repeat(" ", 1016)+"*", "0 0 * *"+strings.Repeat(" ", 1017)+"*", "0 0 * *"+strings.Repeat("\u2003", 1016)+"*")
}

func handlerValues() []values {
	arguments := append(long(32<<10), texts("", " ", "\u00a0\t\n", "a b", "a\x00", "\x01", "a\nb")...)
	many := func(n int, item func(i int) any) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = item(i)
		}
		return list
	}
	word := func(int) any { return "a" }
	variable := func(size int) func(i int) any {
		return func(i int) any {
			return map[string]any{"name": fmt.Sprintf("A%d", i), "value": strings.Repeat("x", size)}
		}
	}
	mount := func(i int) any { return map[string]any{"path": fmt.Sprint("/a", i), "secret": "a"} }
	objects := append(long(253), texts("a", "a-b", "a.b", "A", "a_b", "-a", "a-", "a..b", ".a", "", "a/b", "a\n")...)
	keys := append(long(253), texts("a", "a.b", "A_b-c", "", ".", "..", "..a", ".a", "a..b", "a/b", "a b", "ä", "a\n")...)
	return []values{
		{"spec.handler.protocol", texts("cloudevents", "http", "lambda", "openwhisk", "grpc", "", "HTTP")},
		{"spec.handler.command", []any{many(256, word), many(257, word), []any{}, texts("", "a"), texts(" ")}},
		{"spec.handler.build", []any{many(256, word), many(257, word), []any{}, texts("", "a"), texts(" ")}},
		{"spec.handler.command.0", arguments},
		{"spec.handler.command.1", arguments},
		{"spec.handler.build.0", arguments},
		{"spec.handler.build.1", arguments},
		{"spec.handler.image", texts("a", "a b", "", "a\n", "ä", "a\x7f", "~!", "example.com/a@sha256:00")},
		{"spec.handler.port", numbers(0, 1, 65535, 65536, -1)},
		{"spec.handler.listen", texts("tcp", "unix", "udp", "")},
		{"spec.handler.env.0.name", append(long(1024), texts("A", "_", "a1", "1a", "", "A-B", "A.B", "A B", "Ä", "PORT", "PORTS", "PELTON_", "PELTON_X", "PELTON",
			"CE_ID", "LEVEL", "A\n", "A=B")...)},
		{"spec.handler.env.0.valueFrom", []any{map[string]any{"secretKeyRef": map[string]any{"name": "a", "key": "b"}}}},
		{"spec.handler.env.1.value", texts("", "a")},
		{"spec.handler.env.2.value", texts("", "a")},
		{"spec.handler.env.2.valueFrom.configMapKeyRef", []any{map[string]any{"name": "a", "key": "b"}}},
		{"spec.handler.env.2.valueFrom.secretKeyRef.name", objects},
		{"spec.handler.env.3.valueFrom.configMapKeyRef.name", objects},
		{"spec.handler.env.2.valueFrom.secretKeyRef.key", keys},
		{"spec.handler.env.3.valueFrom.configMapKeyRef.key", keys},
		{"spec.handler.mounts.0.secret", objects},
		{"spec.handler.mounts.1.configMap", objects},
		{"spec.handler.mounts.0.configMap", objects},
		{"spec.handler.mounts.0.path", append(long(255), texts("/a", "a", "/", "/a/", "//a", "/a/b", "/a/./b", "/../a", "/a/..", "/.a", "/a..b", "/a b", "/ä",
			"/etc", "/etc/a", "/etc/pelton", "/etc/pelton/a", "/etc/peltons", "/etc/pelton-nats", "/run", "/run/a", "/run/pelton", "/proc", "/proc/a", "/process",
			"/sys", "/dev/shm", "/tmp", "/tmp/a", "/etc/shop", "/"+strings.Repeat("a", 254), "/"+strings.Repeat("a", 255), "/a:b", "/a\n")...)},
		{"spec.handler.mounts", []any{
			[]any{}, many(32, mount), many(33, mount), []any{map[string]any{"path": "/a", "secret": "a"}, map[string]any{"path": "/a", "secret": "b"}},
		}},
		{"spec.handler.env.0.value", append(long(32<<10), texts("", "a\x00b", "a\nb", "$(A)")...)},
		{"spec.handler.env", []any{
			[]any{},
			many(500, variable(1)), many(501, variable(1)), many(16, variable(32<<10)), many(15, variable(32<<10)), many(16, variable(32<<10-5)),
			many(16, variable(32<<10-4)),
		}},
	}
}

func durations(extra ...string) []any {
	return append(texts(extra...), texts("1s", "1h30m", "0.5s", ".5s", "1.s", "250ms", "1us", "1µs", "1μs", "1ns", "0s", "+5s", "-5s", "-0s", "", "0", "5", "1d", "s",
		".s", "1 s", "1s ", "1S", "1e3s", "0x1s", "9223372036854775807ns", "9223372036854775808ns", "2562047h47m", "2562048h", "1ms", "0.9ms", "999us",
		"1s\n", "٣s", "0."+strings.Repeat("0", 96)+"s", "0."+strings.Repeat("0", 97)+"s", "0."+strings.Repeat("0", 98)+"s")...)
}

func deliveryValues() []values {
	amounts := texts("1", "0", "0.5", ".5", "1.", "100m", "64Mi", "64MB", "1e3", "1E", "-1", "+1", "", "lots", "1 Gi", "1\n", "1k", "1K", "1Ki",
		strings.Repeat("0", 64), strings.Repeat("0", 65))
	return []values{
		{"spec.concurrency", numbers(-1, 0, 1, 10000, 10001, 1<<40)},
		{"spec.timeout", durations()},
		{"spec.retry.maxAttempts", numbers(-1, 0, 1, 1000, 1001)},
		{"spec.retry.minBackoff", durations("10m", "601s", "10m1ns")},
		{"spec.retry.maxBackoff", durations("720h", "720h1ns", "999ms", "30m")},
		{"spec.retry.maxAge", durations("9999h")},
		{"spec.scale.minReplicas", numbers(-1, 0, 1, 20, 21, 1000, 1001)},
		{"spec.scale.maxReplicas", numbers(-1, 0, 1, 1000, 1001)},
		{"spec.scale.cooldown", durations()},
		{"spec.scale.target.drain", durations()},
		{"spec.scale.target", []any{
			map[string]any{},
			map[string]any{"backlog": 0},
			map[string]any{"backlog": 1},
			map[string]any{"backlog": 1000000},
			map[string]any{"backlog": 1000001},
			map[string]any{"backlog": 1, "drain": "1s"},
			map[string]any{"backlog": 0, "drain": "0s"},
		}},
		{"spec.resources.requests.cpu", amounts},
		{"spec.resources.limits.memory", amounts},
		{"spec.onDelete", texts("keep", "deadLetter", "discard", "", "delete", "Keep")},
		{"spec.ordering", []any{map[string]any{"key": "event.subject"}, map[string]any{}}},
		{"spec.batch", []any{
			map[string]any{},
			map[string]any{"maxEvents": 10, "maxWait": "1s"},
			map[string]any{"maxEvents": 1000},
			map[string]any{"maxWait": "1s"},
		}},
		{"spec.batch.maxEvents", numbers(-1, 0, 1, 1000, 1001)},
		{"spec.batch.maxWait", durations("5m", "5m1s", "300s", "301s")},
	}
}

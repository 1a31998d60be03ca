package bridge

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// laterRoutes serves functions that may be called with an answer that is asked for later.
func laterRoutes(t *testing.T, b *bridge) {
	t.Helper()
	err := b.SetRoutes([]Route{
		{Path: "/tasks", Namespace: "default", Function: "tasks", Sync: true, Plain: true, Timeout: time.Minute},
		{Path: "/orders", Namespace: "default", Function: "orders"},
		{Path: "/back", Namespace: "default", Function: "back", Callbacks: &Callbacks{
			Allow: []string{"https://hooks.example.com/in/*", "https://other.example/x"}, Secrets: []SecretFile{{Path: "none"}},
		}},
		{Path: "/calls", Namespace: "default", Function: "calls", Sync: true},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// laterRows ask for answers later, and for what became of calls, in all the wrong ways.
func laterRows() []badRow {
	id := "/invocations/default.tasks." + strings.Repeat("A", 26)
	var rows []badRow
	for i, path := range []string{
		id, id + "/result", "/invocations", "/invocations/", "/invocations/x", id + "/", id + "/results", id + "/result/", id + "//result",
		"/invocations/../events/x", "/invocations/default.tasks.*", "/invocations/default.tasks.>", "/invocations/*.*." + strings.Repeat("A", 26),
		"/invocations/default.tasks." + strings.Repeat("A", 15), "/invocations/default.tasks." + strings.Repeat("A", 65),
		"/invocations/Default.tasks." + strings.Repeat("A", 26), "/invocations/default.tasks." + strings.Repeat("%41", 26),
		"/invocations/default.tasks." + strings.Repeat("A", 20) + "\xff", "/invocations/.." + strings.Repeat("A", 26),
	} {
		rows = append(rows, badRow{
			name: fmt.Sprintf("[B14] %d %s", i, shown(path)), request: wireHead("GET", path) + "\r\n", status: 404, code: "not-found",
			says: []string{"No call with this id", "Location"},
		})
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "TRACE", "FOO", "get"} {
		rows = append(rows, badRow{
			name: "[B11] " + method + " of a call", request: wireHead(method, id) + "\r\n", status: 405, code: "method-not-allowed",
			says: []string{"GET or HEAD"}, header: "Allow: GET, HEAD, OPTIONS",
		})
	}
	for query, says := range map[string]string{
		"wait=-1s": `wait is "-1s"`, "wait=-1": `wait is "-1"`, "wait=soon": `wait is "soon"`, "wait=": `wait is ""`, "wait": `wait is ""`,
		"wait=1s&wait=2s": "wait 2 times", "wait=1.5": `wait is "1.5"`, "wait=99999999999999999": "wait is", "wait=NaNs": "wait is",
		"wait=+1": "wait is", "wait=1s;2": "cannot be read", "wait=%zz": "cannot be read", "wait=" + strings.Repeat("0", 100) + "s": "wait is",
		"wiat=1s": `has "wiat"`, "wait=1s&x=1": `has "x"`, "Wait=1s": `has "Wait"`, "=": `has ""`,
	} {
		rows = append(rows, badRow{
			name: "[B17] " + shown(query), request: wireHead("GET", id+"?"+query) + "\r\n", status: 400, code: "invalid-query",
			says: []string{says, "?wait=30s"},
		})
	}
	return append(rows, laterCallRows()...)
}

// laterCallRows are calls that promise nothing.
func laterCallRows() []badRow {
	prefer := []string{"Prefer", "respond-async"}
	var rows []badRow
	for _, path := range []string{"/tasks", "/orders"} {
		for _, key := range []string{"", " ", "a b", "\u00e9", strings.Repeat("k", 256)} {
			rows = append(rows, badRow{
				name:    fmt.Sprintf("[C20] key %s for %s", shown(key), path),
				request: wirePost(path, "1", append(prefer, "Idempotency-Key", key)...), status: 400, code: "invalid-idempotency-key",
				says: []string{"1 to 255"},
			})
		}
	}
	for i, address := range []string{
		"", "x", "http://hooks.example.com/in/a", "https://user:pass@hooks.example.com/in/a", "https://hooks.example.com/in/a#b", "file:///etc/passwd",
		"https://hooks.example.com./in/a", "https://[::1]/in/a", "https://hooks.example.com:/in/a", "https:hooks.example.com", "https:///in/a",
		"https://" + strings.Repeat("a", 2048) + "/", "https://h\u00f6oks.example.com/in/a", "https://hooks.example.com/in/ a", "gopher://hooks.example.com/in/a",
	} {
		rows = append(rows, badRow{
			name: fmt.Sprintf("[S22] %d callback %s", i, shown(address)), request: wirePost("/back", "1", append(prefer, headerCallback, address)...),
			status: 400, code: "invalid-callback", says: []string{headerCallback},
		})
	}
	for _, address := range []string{
		"https://evil.example/in/a", "https://hooks.example.com/a", "https://hooks.example.com/in/../a", "https://hooks.example.com/in/%2e%2e/a",
		"https://hooks.example.com:8443/in/a", "https://127.0.0.1/in/a", "https://169.254.169.254/in/a", "https://localhost/in/a", "https://2130706433/in/a",
		"https://hooks.example.com.evil.example/in/a", "https://other.example/x/y", "https://0x7f.1/in/a",
	} {
		rows = append(rows, badRow{
			name: "[S22] callback " + address, request: wirePost("/back", "1", append(prefer, headerCallback, address)...), status: 422,
			code: "callback-not-allowed", says: []string{address, "https://hooks.example.com/in/*, https://other.example/x"},
		})
	}
	const good = "https://hooks.example.com/in/a"
	rows = append(rows, badRow{
		name: "[S22] two callbacks", request: wirePost("/back", "1", append(prefer, headerCallback, good, headerCallback, good)...), status: 400,
		code: "invalid-callback", says: []string{"2 times"},
	}, badRow{
		name: "[S22] a callback where none is allowed", request: wirePost("/orders", "1", append(prefer, headerCallback, good)...), status: 422,
		code: "callback-not-allowed", says: []string{"http.callbacks"},
	})
	for _, path := range []string{"/back", "/tasks", "/events/x"} {
		rows = append(rows, badRow{
			name: "[S22] a callback of what has no result later, " + path, request: wirePost(path, "1", headerCallback, good), status: 400,
			code: "invalid-callback", says: []string{"Prefer: respond-async"},
		})
	}
	batch := append(prefer, "Content-Type", "application/cloudevents-batch+json")
	return append(rows, badRow{
		name: "[C16] a batch that wants one answer", request: wirePost("/calls", `[{"specversion":"1.0","id":"1","source":"/a","type":"b"}]`, batch...),
		status: 400, code: "batch-call", says: []string{"one answer"},
	}, badRow{
		name: "[C01] half an event", request: wirePost("/orders", "1", append(prefer, "Ce-Id", "1")...), status: 400, code: "missing-attribute",
		says: []string{"specversion"}, faults: 3,
	})
}

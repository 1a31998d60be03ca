package bridge

import (
	"fmt"
	"strings"
)

func methodRows() []badRow {
	var rows []badRow
	for _, path := range []string{"/events", "/events/x"} {
		for _, method := range []string{"GET", "PUT", "PATCH", "DELETE", "TRACE", "FOO", "post", "Post", "PROPFIND"} {
			rows = append(rows, badRow{
				name: "[B11] " + method + " " + path, request: wireHead(method, path) + "\r\n", status: 405, code: "method-not-allowed",
				says: []string{"POST"}, header: "Allow: POST, OPTIONS",
			})
		}
	}
	for _, callback := range []string{"", "WebHook-Request-Callback: http://169.254.169.254/\r\n", "WebHook-Request-Rate: *\r\n"} {
		rows = append(rows, badRow{
			name:    fmt.Sprintf("[C22] handshake of a webhook %q", callback),
			request: wireHead("OPTIONS", "/events/x") + "WebHook-Request-Origin: evil.example\r\n" + callback + "\r\n",
			status:  403, code: "webhook-origin", header: "Allow: POST, OPTIONS",
		})
	}
	for _, line := range []string{"OPTIONS * HTTP/1.1", "CONNECT localhost:80 HTTP/1.1"} {
		rows = append(rows, badRow{
			name: "[B11] " + line, request: line + "\r\nHost: localhost\r\n\r\n", status: 404, code: "not-found",
			says: []string{"/events/SUBJECT"},
		})
	}
	return rows
}

// pathRows have B12 and B13: never a redirect, never another subject.
func pathRows() []badRow {
	var rows []badRow
	for _, path := range []string{
		"/", "/event", "/eventsx", "/EVENTS/x", "/favicon.ico", "//events/x", "/./events/x", "/x/../events/x", "/%65vents/x",
		"/events%2fx", "/metrics", "/.git/config", "/index.php", "/events%00",
	} {
		rows = append(rows, badRow{
			name: "[B14] " + path, request: wirePost(path, "1"), status: 404, code: "not-found", says: []string{"/events/SUBJECT"},
		})
	}
	for _, subject := range []string{
		"", "/", "/x", "x/", "x//y", "../x", "./x", "x/../y", "..", "a..b", ".a", "a.", "*", ">", "a.*", "a.>", "a.>.b", "$JS",
		"$SYS.REQ", strings.Repeat("a", 65), "b." + strings.Repeat("a", 65), strings.Repeat("a.", 16) + "a",
		strings.Repeat("abcdefghi.", 19) + "abcd", "\u00e9", "\u202e", "\xff",
	} {
		rows = append(rows, invalidSubject("[B13] subject "+shown(subject), subject))
	}
	for _, c := range "!$&'()*+,;=:@~\"<>^`{|}[]\\" {
		rows = append(rows, invalidSubject(fmt.Sprintf("[B13] subject with %c", c), "a"+string(c)+"b"))
	}
	return rows
}

// escapeRows: an escape is never undone into something with a meaning.
func escapeRows() []badRow {
	var rows []badRow
	for _, escape := range []string{
		"%00", "%0a", "%0d%0a", "%09", "%20", "%23", "%24", "%25", "%2A", "%2e", "%2e%2e", "%2f", "%3E", "%3f", "%5c", "%61", "%7f",
		"%80", "%C3%A9", "%E2%80%AE", "%ff",
	} {
		rows = append(rows, invalidSubject("[B13] subject with "+escape, "a"+escape+"b"))
	}
	return rows
}

func invalidSubject(name, subject string) badRow {
	return badRow{
		name: name, request: wirePost("/events/"+subject, "1"), status: 404, code: "invalid-subject",
		says: []string{"path", "A-Z a-z 0-9 _ -", "at most 200"},
	}
}

func negotiationRows() []badRow {
	var rows []badRow
	for _, v := range []string{
		"gzip", "GZIP", "x-gzip", "br", "zstd", "deflate", "compress", "identity, gzip", "identity\r\nContent-Encoding: br",
	} {
		rows = append(rows, badRow{
			name: "[B15] content encoding " + shown(v), request: wirePost("/events/x", "1", "Content-Encoding", v),
			status: 415, code: "unsupported-content-encoding", says: []string{"Content-Encoding"}, header: "Accept-Encoding: identity",
		})
	}
	rows = append(rows, badRow{
		name: "[B16] gzip announced huge", request: postX + "Content-Encoding: gzip\r\nContent-Length: 10000000000\r\n\r\n",
		status: 415, code: "unsupported-content-encoding",
	})
	for _, v := range []string{"tea", "200-ok", "100"} {
		rows = append(rows, badRow{
			name: "[B17] Expect " + v, request: wirePost("/events/x", "1", "Expect", v),
			status: 417, code: "unsupported-expectation", says: []string{"100-continue"},
		})
	}
	for _, v := range []string{
		"application/cloudevents", "application/cloudevents+xml", "application/cloudevents+avro",
		"application/cloudevents+protobuf",
		"application/cloudevents-batch", "application/cloudevents-batch+xml", "application/cloudeventsx", "APPLICATION/CLOUDEVENTS+XML",
		"application/cloudevents+json; charset=utf-16", "application/cloudevents-batch+json; charset=iso-8859-1",
		"application/cloudevents+json; charset",
	} {
		rows = append(rows, badRow{
			name: "[C17] media type " + v, request: wirePost("/events/x", document(), "Content-Type", v),
			status: 415, code: "unsupported-media-type", says: []string{"content-type", v, "application/cloudevents+json"},
			header: "Accept-Post: " + acceptPost,
		})
	}
	return append(rows, tokenInURLRows()...)
}

func tokenInURLRows() []badRow {
	var rows []badRow
	for _, query := range []string{"access_token=secret", "a=b&access_token=secret", "access_token", "%61ccess_token=secret"} {
		rows = append(rows, badRow{
			name: "[B20] token in the URL, " + query, request: wirePost("/events/x?"+query, "1"),
			status: 400, code: "token-in-query", says: []string{"Authorization: Bearer TOKEN"},
		})
	}
	return rows
}

// plainRows are bodies that are no CloudEvents.
func plainRows() []badRow {
	var rows []badRow
	for _, contentType := range []string{
		"", "text/plain", "application/json", "application/x-www-form-urlencoded", "multipart/form-data",
	} {
		for _, path := range []string{"/events", "/events?/x"} {
			rows = append(rows, badRow{
				name:    "plain data to " + path + " as " + shown(contentType),
				request: wirePost(path, document(), "Content-Type", contentType), status: 400, code: "not-an-event",
				says: []string{"/events/SUBJECT"},
			})
		}
	}
	for _, key := range []string{strings.Repeat("k", 256), "a b", "", "a\tb", "\u00e9", "a\r\nIdempotency-Key: a", "a\r\n b"} {
		rows = append(rows, badRow{
			name: "Idempotency-Key " + shown(key), request: wirePost("/events/x", "1", "Idempotency-Key", key),
			status: 400, code: "invalid-idempotency-key", says: []string{"Idempotency-Key", "1 to 255"},
		})
	}
	for _, v := range []string{
		"///", "text", "/json", "text/", "a b/c", "text/plain; charset", "text/plain; a=b; a=c", "t\u00e9xt/plain", "text/plain, text/html",
	} {
		rows = append(rows, badRow{
			name: "[C15] Content-Type " + shown(v), request: wirePost("/events/x", "1", "Content-Type", v),
			status: 400, code: "invalid-attribute", says: []string{"datacontenttype", "application/json"},
		})
	}
	return append(rows, badRow{
		name: "[C15] Content-Type twice", request: wirePost("/events/x", "1", "Content-Type", "a/b", "Content-Type", "c/d"),
		status: 400, code: "duplicate-header", says: []string{"content-type"},
	})
}

func hostRows() []badRow {
	var rows []badRow
	for _, host := range []string{
		"evil.example", "evil.example:8080", "localhost.evil.example", "localhost.", "127.0.0.2", "127.1", "2130706433", "0.0.0.0",
		"::1", "[::ffff:127.0.0.1]",
	} {
		rows = append(rows, misdirected("Host "+host, "POST /events/x HTTP/1.1\r\nHost: "+host+"\r\n\r\n"))
	}
	return append(rows,
		misdirected("absolute URL of another site", "POST http://evil.example/events/x HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		misdirected("HTTP/1.0 without a host", "POST /events/x HTTP/1.0\r\n\r\n"),
		misdirected("empty host", "POST /events/x HTTP/1.1\r\nHost:\r\n\r\n"))
}

func misdirected(name, request string) badRow {
	return badRow{name: name, request: request, status: 421, code: "host-not-allowed", says: []string{"Host", "localhost"}}
}

func originRows() []badRow {
	var rows []badRow
	for _, header := range [][]string{
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
		{"Origin", "http://localhost.evil.example"},
		{"Origin", "http://localhost:1"},
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
	} {
		for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded"} {
			rows = append(rows, badRow{
				name:    fmt.Sprint("a page of another site, ", header, " ", contentType),
				request: wirePost("/events/x", "a=1", append(header, "Content-Type", contentType)...),
				status:  403, code: "cross-origin", says: []string{"Origin"},
			})
		}
	}
	return rows
}

func tokenRows() []badRow {
	var rows []badRow
	for _, c := range []struct{ name, authorization string }{
		{"no token", ""},
		{"a wrong token", "Bearer wrong-horse-battery"},
		{"a longer token", "Bearer " + testToken + "x"},
		{"a shorter token", "Bearer " + testToken[:10]},
		{"an empty token", "Bearer "},
		{"the token in another scheme", "Basic " + testToken},
		{"the token without a scheme", testToken},
		{"the token in upper case", "Bearer " + strings.ToUpper(testToken)},
		{"two tokens", "Bearer wrong-horse-battery\r\nAuthorization: Bearer " + testToken},
	} {
		for _, path := range []string{"/events/x", "/events", "/nothing", "/events/*"} {
			rows = append(rows, badRow{
				name: "[B20] " + c.name + " for " + path, request: wirePost(path, "1", "Authorization", c.authorization),
				status: 401, code: "unauthorized", says: []string{"Authorization: Bearer TOKEN"},
				header: `Www-Authenticate: Bearer realm="pelton"`,
			})
		}
	}
	return rows
}

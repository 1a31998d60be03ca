package bridge

import (
	"strings"
)

const postX = "POST /events/x HTTP/1.1\r\nHost: localhost\r\n"

// malformed is a row for what net/http refuses before any handler sees it.
func malformed(name, request string) badRow {
	return badRow{name: name, request: request, status: 400, code: "malformed-request"}
}

func lengthRows() []badRow {
	rows := []badRow{
		malformed("[B02] two lengths", postX+"Content-Length: 1\r\nContent-Length: 2\r\n\r\n12"),
		malformed("[B02] three lengths", postX+repeat("Content-Length: %d\r\n", 3)+"\r\n12"),
	}
	for _, v := range []string{
		"", "-1", "+2", "abc", "0x2", "1 2", "1,2", "1;2", "1.0", "1e1", "2,2", "\u0662", "9223372036854775808",
		"99999999999999999999",
	} {
		rows = append(rows, malformed("[B02] length "+shown(v), postX+"Content-Length: "+v+"\r\n\r\n12"))
	}
	return rows
}

func encodingRows() []badRow {
	var rows []badRow
	for _, v := range []string{
		"gzip", "xchunked", "identity", "deflate", "gzip, chunked", "chunked, gzip", "chunked, chunked", "chunked;q=1", "\"chunked\"",
		"chunked\r\nTransfer-Encoding: chunked", "chunked\r\nTransfer-Encoding: identity",
	} {
		rows = append(rows, badRow{
			name: "[B03] transfer encoding " + shown(v), status: 501, code: "unsupported-transfer-encoding",
			request: postX + "Transfer-Encoding: " + v + "\r\n\r\n0\r\n\r\n", says: []string{"chunked"},
		})
	}
	return rows
}

func chunkRows() []badRow {
	var rows []badRow
	for _, c := range []struct{ name, body string }{
		{"no number", "zz\r\n1\r\n0\r\n\r\n"},
		{"negative", "-1\r\n1\r\n0\r\n\r\n"},
		{"signed", "+1\r\n1\r\n0\r\n\r\n"},
		{"with 0x", "0x1\r\n1\r\n0\r\n\r\n"},
		{"empty", "\r\n1\r\n0\r\n\r\n"},
		{"of 17 digits", "10000000000000001\r\n1\r\n0\r\n\r\n"},
		{"shorter than its chunk", "1\r\n123\r\n0\r\n\r\n"},
		{"with a bare line feed", "1\n1\r\n0\r\n\r\n"},
		{"and a chunk with a bare line feed", "1\r\n1\n0\r\n\r\n"},
		{"line of 8 KiB", "1;" + strings.Repeat("x", 8<<10) + "\r\n1\r\n0\r\n\r\n"},
		{"with a space inside", "1 1\r\n1\r\n0\r\n\r\n"},
		{"and a trailer that is no field", "1\r\n1\r\n0\r\nnonsense\r\n\r\n"},
	} {
		rows = append(rows, badRow{
			name: "[B04] chunk size " + c.name, request: postX + "Transfer-Encoding: chunked\r\n\r\n" + c.body,
			status: 400, code: "malformed-body", says: []string{"transfer encoding"},
		})
	}
	return rows
}

func headRows() []badRow {
	var rows []badRow
	for _, field := range []string{
		"X-A : 1", "X A: 1", "X-A", ": 1", "X-\u00e9: 1", "X(A): 1", "X-A: \x00", "X-A: a\rb", "X-A: \x01", "X-A: \x7f", "X-A: \x1b[2J",
	} {
		rows = append(rows, malformed("[B05] field "+shown(field), postX+field+"\r\n\r\n"))
	}
	for _, host := range []string{"", "a b", "a/b", "a\\b", "a@b", "a<b", "\u00e9"} {
		rows = append(rows, malformed("[B05] host "+shown(host), "POST /events/x HTTP/1.1\r\nHost: "+host+"\r\nHost: x\r\n\r\n"))
	}
	for _, line := range []string{
		"POST /events/x", "POST  /events/x HTTP/1.1", "POST /events/x  HTTP/1.1", " /events/x HTTP/1.1", "PO(ST /events/x HTTP/1.1",
		"POST /events/x HTTP/1", "POST /events/x HTTP/1.10", "POST /events/x http/1.1", "POST /events/x HTCPCP/1.0",
		"POST events/x HTTP/1.1", "POST /events/%zz HTTP/1.1", "POST /events/% HTTP/1.1", "POST /events/%2 HTTP/1.1",
		"POST /events/\x01 HTTP/1.1", "POST /events/\x7f HTTP/1.1", "POST http://[::1/events/x HTTP/1.1",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "SSH-2.0-OpenSSH_9.2", "EHLO localhost", "*1", "PING", "GET",
	} {
		rows = append(rows, malformed("[B05] line "+shown(line), line+"\r\nHost: localhost\r\n\r\n"))
	}
	rows = append(rows,
		malformed("[B05] no host", "POST /events/x HTTP/1.1\r\n\r\n"),
		malformed("[B05] two hosts", postX+"Host: localhost\r\n\r\n"))
	for _, version := range []string{"9.9", "2.0", "3.0", "0.9"} {
		rows = append(rows, badRow{
			name: "[B05] version " + version, request: "POST /events/x HTTP/" + version + "\r\nHost: localhost\r\n\r\n",
			status: 505, code: "unsupported-version", says: []string{"HTTP/1.1"},
		})
	}
	return append(rows, badRow{
		name: "[B18] the preface of HTTP/2", request: "PRI * HTTP/2.0\r\nHost: localhost\r\n\r\nSM\r\n\r\n",
		status: 505, code: "unsupported-version", says: []string{"HTTP/1.1"},
	})
}

func headerSizeRows() []badRow {
	long := strings.Repeat("a", 8<<10)
	var rows []badRow
	for _, h := range []struct{ name, request, says string }{
		{"a value of 24 KiB", postX + "X-A: " + strings.Repeat("a", 24<<10) + "\r\n\r\n", "16384"},
		{"a value of 64 KiB", postX + "X-A: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", "16384"},
		{"five names of 8 KiB", postX + repeat(long+"%d: 1\r\n", 5) + "\r\n", "16384"},
		{"a path of 24 KiB", wireHead("POST", "/events/"+strings.Repeat("a", 24<<10)) + "\r\n", "16384"},
		{"a query of 24 KiB", wireHead("POST", "/events/x?"+strings.Repeat("a", 24<<10)) + "\r\n", "16384"},
		{"200 fields", postX + repeat("X-%d: 1\r\n", 200) + "\r\n", "at most 100"},
		{"101 fields of one name", postX + repeat("X-A: %d\r\n", 101) + "\r\n", "101"},
		{"101 attributes", postX + repeat("ce-a%d: 1\r\n", 101) + "\r\n", "101"},
	} {
		rows = append(rows, badRow{
			name: "[B07] " + h.name, request: h.request, status: 431, code: "header-too-large", says: []string{h.says},
		})
	}
	return rows
}

func bodyRows() []badRow {
	chunked := postX + "Transfer-Encoding: chunked\r\n\r\n"
	var rows []badRow
	for _, c := range []struct{ name, request string }{
		{"a byte over the limit", postX + "Content-Length: 1001\r\n\r\n"},
		{"as long as a number can be", postX + "Content-Length: 9223372036854775807\r\n\r\n"},
		{"chunked, in one chunk", chunked + "3e9\r\n" + strings.Repeat("x", 1001) + "\r\n0\r\n\r\n"},
		{"chunked, in many chunks", chunked + strings.Repeat("1\r\nx\r\n", 1001) + "0\r\n\r\n"},
		{"of an event", wirePost("/events", document("data", `"`+strings.Repeat("x", 1000)+`"`), "Content-Type", structured)},
		{"of a batch", wirePost("/events", "["+strings.Repeat(" ", 1000)+"]", "Content-Type", batch)},
	} {
		rows = append(rows, badRow{
			name: "[B08] body " + c.name, request: c.request, status: 413, code: "body-too-large", says: []string{"1000 bytes"},
		})
	}
	return append(rows, badRow{
		name: "[B17] body over the limit that waits for 100 Continue", status: 413, code: "body-too-large",
		request: postX + "Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n",
	})
}

func stallRows() []badRow {
	var rows []badRow
	for _, c := range []struct{ name, request string }{
		{"short of its length", postX + "Content-Length: 10\r\n\r\n123"},
		{"without a byte", postX + "Content-Length: 10\r\n\r\n"},
		{"within a chunk", postX + "Transfer-Encoding: chunked\r\n\r\n5\r\n12"},
		{"before the last chunk", postX + "Transfer-Encoding: chunked\r\n\r\n2\r\n12\r\n"},
	} {
		rows = append(rows,
			badRow{
				name: "[B08] body that stalls " + c.name, request: c.request, end: silence,
				status: 408, code: "body-timeout", says: []string{"1.5s"},
			},
			badRow{
				name: "[B08] body that ends " + c.name, request: c.request, end: hangUp, status: 400, code: "malformed-body",
			})
	}
	for _, head := range []string{"P", "POST /events/x HT"} {
		row := malformed("[B09] request line that stalls after "+head, head)
		row.end = silence
		rows = append(rows, row)
	}
	for _, head := range []string{"POST /events/x HTTP/1.1\r\nHost: loc", postX, postX + "ce-id: 1\r\n"} {
		rows = append(rows, badRow{name: "[B09] header that stalls after " + shown(head), request: head, end: silence})
	}
	return rows
}

package bridge

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// fileForm is what Chromium sends for a form with a text and a file, as multipart/form-data.
const (
	fileFormType = "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW8"
	fileForm     = "------WebKitFormBoundary7MA4YWxkTrZu0gW8\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nB\xc3\xbccher\r\n" +
		"------WebKitFormBoundary7MA4YWxkTrZu0gW8\r\nContent-Disposition: form-data; name=\"scan\"; filename=\"a b%22c.bin\"\r\n" +
		"Content-Type: application/octet-stream\r\n\r\n\x00\xff\r\n--\r\n\r\n------WebKitFormBoundary7MA4YWxkTrZu0gW8--\r\n"
)

// TestBrowserForms sends what a browser sends for a form: to a web application that waits for it, and as an event.
func TestBrowserForms(t *testing.T) {
	t.Parallel()
	f := openFront(t, nil)
	f.app(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
			file, header, err := r.FormFile("scan")
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			data, _ := io.ReadAll(file)
			_, _ = fmt.Fprintf(w, "%s %s %q", r.FormValue("title"), header.Filename, data)
			return
		}
		_, _ = fmt.Fprintf(w, "%s %q", r.FormValue("title"), r.PostForm["tag"])
	})
	const plainType = "application/x-www-form-urlencoded"
	for _, form := range []struct{ contentType, body, want string }{
		{plainType, "title=B%C3%BCcher+%26+mehr&tag=a&tag=b", `Bücher & mehr ["a" "b"]`},
		{fileFormType, fileForm, `Bücher a b%22c.bin "\x00\xff\r\n--\r\n"`},
	} {
		for _, page := range [][]string{ // pages that may send it: from new browsers and old ones
			{"Origin", f.url, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
			{"Origin", f.url, "Referer", f.url + "/tasks"},
		} {
			header := append([]string{"Content-Type", form.contentType}, page...)
			if a := f.post(t, "/tasks", form.body, header...); a.StatusCode != http.StatusOK || string(a.body) != form.want {
				t.Errorf("%s: answered %d %s, want %s", form.contentType, a.StatusCode, a.body, form.want)
			}
			got := wantAccepted(t, f.post(t, "/events/forms", form.body, header...))
			if e := f.decoded(t, got.Sequence); e.DataContentType != form.contentType || string(e.Data) != form.body {
				t.Errorf("stored as %s: %q", e.DataContentType, e.Data)
			}
		}
		before := f.count(t)
		for _, page := range [][]string{ // and those that may not: of another site, and a file
			{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"},
			{"Origin", "null", "Sec-Fetch-Site", "cross-site"},
			{"Origin", "http://localhost:1"},
		} {
			for _, path := range []string{"/tasks", "/events/forms"} {
				a := f.post(t, path, form.body, append([]string{"Content-Type", form.contentType}, page...)...)
				wantProblem(t, a, http.StatusForbidden, "cross-origin")
			}
		}
		if n := f.count(t); n != before {
			t.Errorf("%d events of other pages are stored", n-before)
		}
	}
	f.awaitQueue(0)
}

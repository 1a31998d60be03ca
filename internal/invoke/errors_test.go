package invoke_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pelton-dev/pelton/internal/invoke"
)

func TestText(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"":                             "",
		"  plain \n":                   "plain",
		"two\nlines\r\n\x1b[1mbold":    "two lines   [1mbold",
		"bad \xff\xfe bytes":           "bad \uFFFD bytes",
		"c1 \u0085 control":            "c1   control",
		"ørken ☂ 🚀":                    "ørken ☂ 🚀",
		strings.Repeat("x", 2000):      strings.Repeat("x", invoke.MaxReason),
		strings.Repeat("🚀", 300):       strings.Repeat("🚀", invoke.MaxReason/4),
		"x" + strings.Repeat("🚀", 300): "x" + strings.Repeat("🚀", invoke.MaxReason/4-1),
	}
	for in, want := range tests {
		got := invoke.Text(in)
		if got != want {
			t.Errorf("%.40q: got %.40q of %d bytes, want %.40q of %d", in, got, len(got), want, len(want))
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\xffb\x00c")
	f.Fuzz(func(t *testing.T, s string) {
		if got := invoke.Text(s); len(got) > invoke.MaxReason || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\x00") {
			t.Fatalf("got %q", got)
		}
	})
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if e := invoke.Interrupted(late); e.Code != invoke.CodeTimeout || !errors.Is(e, context.DeadlineExceeded) {
		t.Errorf("deadline: got %v", e)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if e := invoke.Interrupted(gone); e.Code != invoke.CodeCanceled || !errors.Is(e, context.Canceled) {
		t.Errorf("cancel: got %v", e)
	}
}

func TestBegin(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	now := time.Now()
	tests := []struct {
		name string
		ctx  context.Context
		call invoke.Call
		want error
	}{
		{"no deadline", t.Context(), invoke.Call{}, nil},
		{"time enough", t.Context(), invoke.Call{Deadline: now.Add(time.Hour)}, nil},
		{"too late", t.Context(), invoke.Call{Deadline: now.Add(-time.Hour)}, context.DeadlineExceeded},
		{"given up", gone, invoke.Call{}, context.Canceled},
	}
	for _, tt := range tests {
		err := invoke.Begin(tt.ctx, &tt.call)
		if !errors.Is(err, tt.want) || errors.Is(err, invoke.ErrNotReady) != (tt.want != nil) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

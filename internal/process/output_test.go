package process

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		writes []string
		want   []string
	}{
		{nil, []string{}},
		{[]string{"a"}, []string{"a"}},
		{[]string{"a\nb\n"}, []string{"a", "b"}},
		{[]string{"a\r\n", "b", "c\n", "d"}, []string{"a", "bc", "d"}},
		{[]string{"1\n2\n3\n4\n5\n"}, []string{"3", "4", "5"}},
		{[]string{"1\n2\n3\n4"}, []string{"2", "3", "4"}},
		{[]string{"123456789", "0\nx\n"}, []string{"12345678", "x"}},
		{[]string{"\n\n"}, []string{"", ""}},
	} {
		tail := NewTail(3, 8)
		for _, w := range c.writes {
			if n, err := tail.Write([]byte(w)); n != len(w) || err != nil {
				t.Fatal(n, err)
			}
		}
		if got := tail.Lines(); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.writes, got, c.want)
		}
	}
}

func TestLineWriter(t *testing.T) {
	t.Parallel()
	var got []string
	w := NewLineWriter(LineConfig{MaxLine: 4}, func(line string) { got = append(got, line) })
	for _, s := range []string{"ab\ncd", "ef", "gh\n", "\r\n", "end"} {
		if _, err := w.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"ab", "cdef ...", "", "end"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLineWriterCountsWhatItDrops(t *testing.T) {
	t.Parallel()
	var got []string
	w := NewLineWriter(LineConfig{Rate: 1, Burst: 2}, func(line string) { got = append(got, line) })
	for i := range 1000 {
		_, _ = fmt.Fprintf(w, "line %d\n", i)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Dropped() < 900 || !strings.Contains(got[len(got)-1], "lines dropped") || got[1] != "line 1" {
		t.Errorf("dropped %d, got %q", w.Dropped(), got)
	}
}

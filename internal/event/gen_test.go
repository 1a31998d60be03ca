package event_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/pelton-dev/pelton/internal/event"
)

// genText draws attribute text: any character an attribute may hold, with those that need escaping more often than others.
func genText(min int) *rapid.Generator[string] {
	char := rapid.OneOf(
		rapid.RuneFrom([]rune(`abcXYZ019-._~:/?#[]@!$&'()*+,;=`)),
		rapid.RuneFrom([]rune(" \"%\\<>{}|^`")),
		rapid.RuneFrom([]rune("é€😀\u00a0\u2028\ufffd\ufb00𝄞")),
		rapid.RuneFrom(nil, unicode.L, unicode.S),
	).Filter(func(r rune) bool {
		return r >= 0x20 && (r < 0x7F || r > 0x9F) && (r < 0xFDD0 || r > 0xFDEF) && r&0xFFFE != 0xFFFE
	})
	return rapid.StringOfN(char, min, 30, -1)
}

func genVisible() *rapid.Generator[string] {
	return genText(1).Filter(func(s string) bool { return strings.TrimSpace(s) != "" })
}

func optional(g *rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.OneOf(rapid.Just(""), g)
}

func genEvent() *rapid.Generator[*event.Event] {
	return rapid.Custom(func(t *rapid.T) *event.Event {
		e := &event.Event{
			ID:              genVisible().Draw(t, "id"),
			Source:          genSource().Draw(t, "source"),
			Type:            genVisible().Draw(t, "type"),
			Subject:         optional(genText(1)).Draw(t, "subject"),
			Time:            optional(genTime()).Draw(t, "time"),
			DataSchema:      optional(rapid.StringMatching(`[a-z][a-z0-9+.-]{0,5}:[a-zA-Z0-9/._~-]{0,20}`)).Draw(t, "dataschema"),
			DataContentType: optional(genContentType()).Draw(t, "datacontenttype"),
			Extensions:      genExtensions().Draw(t, "extensions"),
			Data:            genData().Draw(t, "data"),
		}
		return e
	})
}

func genSource() *rapid.Generator[string] {
	return rapid.StringMatching(`(/|urn:|https://example\.com/|[a-z]+/)([a-zA-Z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2}){1,20}(\?q=[a-z]*)?(#[a-z]*)?`)
}

func genContentType() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{
		"application/json", "application/vnd.shop+json; charset=utf-8", "TEXT/Plain; CharSet=UTF-8", "text/plain",
		"text/plain; charset=iso-8859-1", "application/octet-stream", "image/png", "application/xml",
	})
}

func genTime() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		at := time.Unix(rapid.Int64Range(0, 4_000_000_000).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos"))
		zone := time.FixedZone("", 60*rapid.IntRange(-720, 840).Draw(t, "minutes"))
		return at.In(zone).Format(time.RFC3339Nano)
	})
}

func genExtensions() *rapid.Generator[[]event.Attribute] {
	defined := []string{"id", "source", "type", "specversion", "subject", "time", "datacontenttype", "dataschema", "data"}
	name := rapid.StringMatching(`[a-z0-9]{1,12}`).Filter(func(s string) bool { return !slices.Contains(defined, s) })
	return rapid.Custom(func(t *rapid.T) []event.Attribute {
		names := rapid.SliceOfNDistinct(name, 0, 5, rapid.ID).Draw(t, "names")
		slices.Sort(names)
		var out []event.Attribute
		for _, n := range names {
			out = append(out, event.Attribute{Name: n, Value: genText(0).Draw(t, n)})
		}
		return out
	})
}

func genData() *rapid.Generator[[]byte] {
	document := rapid.Custom(func(t *rapid.T) []byte {
		space := rapid.SampledFrom([]string{"", "", "", " ", "\n"})
		value := rapid.OneOf(
			rapid.Just(any(nil)),
			rapid.Map(rapid.String(), func(s string) any { return s }),
			rapid.Map(rapid.MapOfN(rapid.String(), rapid.Float64Range(-1e9, 1e9), 0, 4), func(m map[string]float64) any { return m }),
			rapid.Map(rapid.SliceOfN(rapid.Int64(), 0, 4), func(s []int64) any { return s }),
		).Draw(t, "value")
		b, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return []byte(space.Draw(t, "before") + string(b) + space.Draw(t, "after"))
	})
	text := rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) })
	return rapid.OneOf(document, text, rapid.SliceOfN(rapid.Byte(), 0, 64))
}

// same compares events: no data and empty data, no extensions and an empty list are the same.
func same(t interface {
	Helper()
	Fatalf(string, ...any)
}, what string, got, want *event.Event,
) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s: (-want +got)\n%s", what, diff)
	}
}

// codesOf gives "attribute:code" for each problem.
func codesOf(problems []event.Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.Attribute+":"+p.Code)
	}
	return out
}

func wantCodes(t *testing.T, problems []event.Problem, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, codesOf(problems), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("problems (-want +got)\n%s\n%v", diff, problems)
	}
	for _, p := range problems {
		if p.Detail == "" || len(p.Detail) > 400 ||
			strings.ContainsFunc(p.Detail, func(r rune) bool { return r < 0x20 || r > 0x7E }) {
			t.Fatalf("detail is not one printable line: %q", p.Detail)
		}
	}
}

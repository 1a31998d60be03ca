package bridge

import (
	"fmt"
	"strings"
)

// binaryPost is an event in binary mode; changes are pairs of names and values that replace or add headers. A value of two
// lines makes two headers, and absent removes one.
func binaryPost(changes ...string) string {
	header := []string{"ce-specversion", "1.0", "ce-id", "1", "ce-source", "/s", "ce-type", "t"}
	for i := 0; i+1 < len(changes); i += 2 {
		at := len(header)
		for j := 0; j < len(header); j += 2 {
			if header[j] == changes[i] {
				at = j
			}
		}
		if at == len(header) {
			header = append(header, changes[i], "")
		}
		header[at+1] = changes[i+1]
	}
	var lines []string
	for i := 0; i < len(header); i += 2 {
		for value := range strings.SplitSeq(header[i+1], "\n") {
			if value != absent {
				lines = append(lines, header[i], value)
			}
		}
	}
	return wirePost("/events/x", "{}", lines...)
}

const absent = "<none>"

// required are the attributes that every event has.
var required = []string{"specversion", "id", "source", "type"}

func binaryRow(name, code, attribute string, changes ...string) badRow {
	return badRow{
		name: name, request: binaryPost(changes...), status: 400, code: code,
		says: []string{"ce-" + attribute, attribute},
	}
}

func binaryMissingRows() []badRow {
	var rows []badRow
	for _, a := range required {
		code := "missing-attribute"
		rows = append(rows, binaryRow("[C01] no "+a, code, a, "ce-"+a, absent))
		if a == "specversion" {
			code = "unsupported-specversion"
		}
		rows = append(rows, binaryRow("[C01] empty "+a, code, a, "ce-"+a, ""))
		if a != "specversion" {
			code = "invalid-attribute"
		}
		rows = append(rows, binaryRow("[C01] blank "+a, code, a, "ce-"+a, "%20%20"))
		all := []string{"ce-id", absent, "ce-source", absent, "ce-type", absent, "ce-specversion", absent}
		only := binaryRow("[C01] nothing but "+a, "missing-attribute", "", append(all, "ce-"+a, "1.0")...)
		only.faults = 3
		rows = append(rows, only)
	}
	for _, v := range []string{"0.1", "0.2", "0.3", "1", "1.", "1.0.2", "1.1", "2.0", "v1.0", "01.0", "1,0", "1.0%00"} {
		row := binaryRow("[C02] version "+v, "unsupported-specversion", "specversion", "ce-specversion", v)
		if v == "1.0%00" {
			row.code = "invalid-attribute"
		} else {
			row.says = append(row.says, `want "1.0"`)
		}
		rows = append(rows, row)
	}
	many := binaryRow("[C01] four faults at once", "invalid-event", "time",
		"ce-specversion", "9", "ce-id", absent, "ce-source", "a%20b", "ce-time", "x")
	many.faults = 4
	return append(rows, many)
}

// badText are characters that no attribute may have, percent-encoded, and what a problem calls them.
var badText = []struct{ encoded, found string }{
	{"%00", "U+0000"},
	{"%01", "U+0001"},
	{"%09", "U+0009"},
	{"%0A", "U+000A"},
	{"%0D%0A", "U+000D"},
	{"%1B", "U+001B"},
	{"%1F", "U+001F"},
	{"%7F", "U+007F"},
	{"%C2%80", "U+0080"},
	{"%C2%85", "U+0085"},
	{"%C2%9F", "U+009F"},
	{"%EF%B7%90", "U+FDD0"},
	{"%EF%BF%BE", "U+FFFE"},
	{"%EF%BF%BF", "U+FFFF"},
	{"%F0%9F%BF%BF", "U+1FFFF"},
}

func binaryTextRows() []badRow {
	var rows []badRow
	for i, c := range badText {
		for j, a := range []string{"id", "type", "subject", "ext"} {
			if j > 0 && i%4 != j {
				continue // each character in the id, and some in each of the others
			}
			row := binaryRow("[C03] "+c.found+" in "+a, "invalid-attribute", a, "ce-"+a, "a"+c.encoded+"b")
			row.says = append(row.says, c.found)
			rows = append(rows, row)
		}
	}
	for _, v := range []string{
		"%", "%z", "%zz", "100%", "%4", "a%2", "%C0%A0", "%ff", "%E2%82", "%ED%A0%80", "%F5%80%80%80", `"open`, `"a" b`, `"a\`, `"`,
	} {
		row := binaryRow("[C07] value "+shown(v), "invalid-encoding", "subject", "ce-subject", v)
		row.says = append(row.says, strings.Trim(fmt.Sprintf("%q", v), `"`))
		rows = append(rows, row)
	}
	for _, a := range []string{"id", "type", "ext"} {
		rows = append(rows, binaryRow("[C07] lone percent in "+a, "invalid-encoding", a, "ce-"+a, "%"))
		rows = append(rows, binaryRow("[C09] UTF-8 that is not encoded in "+a, "invalid-encoding", a, "ce-"+a, "caf\u00e9"))
	}
	return append(rows,
		binaryRow("[C09] Latin-1", "invalid-encoding", "subject", "ce-subject", "caf\xe9"),
		malformed("[C09] a raw DEL", binaryPost("ce-subject", "a\x7f")))
}

func binaryHeaderRows() []badRow {
	var rows []badRow
	for _, a := range []string{"specversion", "id", "source", "type", "subject", "time", "dataschema", "ext"} {
		value := map[string]string{"specversion": "1.0", "time": "2026-01-02T03:04:05Z", "dataschema": "urn:x"}[a]
		if value == "" {
			value = "a"
		}
		rows = append(rows,
			binaryRow("[C05] "+a+" twice", "duplicate-header", a, "ce-"+a, value+"\n"+value),
			binaryRow("[C05] "+a+" twice, in two cases", "duplicate-header", a, "ce-"+a, value, "CE-"+strings.ToUpper(a), value))
	}
	for _, name := range []string{"ce-datacontenttype", "Ce-DataContentType"} {
		rows = append(rows, binaryRow("[C08] "+name, "forbidden-header", "datacontenttype", name, "text/plain"))
	}
	for _, name := range []string{"my_ext", "my-ext", "my.ext", "ext!", "ext~", "data", "data_base64", strings.Repeat("a", 65)} {
		rows = append(rows, binaryRow("[C10] extension "+shown(name), "invalid-attribute-name", "", "ce-"+name, "1"))
	}
	rows = append(rows, binaryRow("[C10] extension without a name", "invalid-attribute-name", "", "ce-", "1"))
	for _, a := range []string{"id", "type", "subject", "source", "ext"} {
		row := binaryRow("[C11] "+a+" of 4,097 bytes", "attribute-too-long", a, "ce-"+a, strings.Repeat("x", 4097))
		row.says = append(row.says, "at most 4096")
		rows = append(rows, row)
	}
	var many []string
	for i := range 65 {
		many = append(many, fmt.Sprint("ce-e", i), "1")
	}
	return append(rows, badRow{
		name: "[C11] 65 extensions", request: binaryPost(many...), status: 400, code: "too-many-attributes", says: []string{"at most 64"},
	})
}

// badTimes are no times of RFC 3339.
var badTimes = []string{
	"yesterday", "1700000000", "2026-01-02", "03:04:05Z", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z", "2026-13-01T00:00:00Z",
	"2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
	"2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+0100", "2026-1-1T00:00:00Z",
	"10000-01-01T00:00:00Z", "2026-01-01T00:00:00ZZ", "2026-01-01T00:00Z",
}

// badReferences are no URI-references, badURIs no absolute URIs.
var (
	badReferences = []string{"a b", "%zz", "a%2", "<x>", "a#b#c", "a\\b", "a^b", "{a}", "1a:b", "\u00e9"}
	badURIs       = []string{"/x", "x", "//example.com/x", "#x", "1a:b", ":x", "http://a b/"}
)

func binaryGrammarRows() []badRow {
	encode := strings.NewReplacer("%", "%25", " ", "%20", "\u00e9", "%C3%A9")
	var rows []badRow
	add := func(id, attribute string, values []string) {
		for _, v := range values {
			row := binaryRow(id+" "+attribute+" "+shown(v), "invalid-attribute", attribute, "ce-"+attribute, encode.Replace(v))
			row.says = append(row.says, strings.Trim(fmt.Sprintf("%+q", v), `"`))
			rows = append(rows, row)
		}
	}
	add("[C12]", "time", badTimes)
	add("[C13]", "source", badReferences)
	add("[C13]", "dataschema", badURIs)
	for _, a := range []string{"subject", "time", "dataschema"} {
		rows = append(rows, binaryRow("[C13] empty "+a, "invalid-attribute", a, "ce-"+a, ""))
	}
	return append(rows, badRow{
		name: "[B06] folded source", status: 400, code: "invalid-attribute", says: []string{"ce-source", "/a b"},
		request: wirePost("/events/x", "", "ce-specversion", "1.0", "ce-type", "t", "ce-source", "/a\r\n b", "ce-id", "1"),
	})
}

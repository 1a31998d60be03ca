package bridge

import (
	"fmt"
	"strings"
)

// document is an event in the JSON format; members are pairs of names and raw values that replace or add one.
func document(members ...string) string {
	base := [][2]string{{"specversion", `"1.0"`}, {"id", `"1"`}, {"source", `"/s"`}, {"type", `"t"`}}
	for i := 0; i+1 < len(members); i += 2 {
		base = append(base, [2]string{members[i], members[i+1]})
		for j := range base[:4] {
			if base[j][0] == members[i] {
				base[j][1], base = members[i+1], base[:len(base)-1]
				break
			}
		}
	}
	var parts []string
	for _, m := range base {
		if m[1] != absent {
			parts = append(parts, fmt.Sprintf("%q:%s", m[0], m[1]))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func jsonRow(name, code, body string, says ...string) badRow {
	return badRow{
		name: name, request: wirePost("/events/x", body, "Content-Type", structured), status: 400, code: code, says: says,
	}
}

func jsonMissingRows() []badRow {
	var rows []badRow
	for _, a := range required {
		code := "missing-attribute"
		rows = append(rows,
			jsonRow("[C01] no "+a, code, document(a, absent), "/"+a),
			jsonRow("[C01] null as "+a, code, document(a, "null"), "/"+a))
		wrong := "invalid-attribute"
		if a == "specversion" {
			code, wrong = "unsupported-specversion", "unsupported-specversion"
		}
		rows = append(rows, jsonRow("[C01] empty "+a, code, document(a, `""`), "/"+a))
		for _, v := range []string{"1", "1.0", "true", "{}", "[]", "[1,null]"} {
			rows = append(rows, jsonRow("[C02] "+a+" as "+v, wrong, document(a, v), "/"+a, v, "want a string"))
		}
	}
	for _, a := range []string{"subject", "time", "dataschema", "datacontenttype"} {
		for _, v := range []string{"7", "{}"} {
			rows = append(rows, jsonRow("[C02] "+a+" as "+v, "invalid-attribute", document(a, v), "/"+a, v, "want a string"))
		}
		rows = append(rows, jsonRow("[C13] empty "+a, "invalid-attribute", document(a, `""`), "/"+a, "is empty"))
	}
	for _, v := range []string{"0.3", "1", "1.0.2", "1.1", "2.0", " 1.0", "1.0 "} {
		rows = append(rows, jsonRow("[C02] version "+shown(v), "unsupported-specversion", document("specversion", fmt.Sprintf("%q", v)),
			"/specversion", v, `want "1.0"`))
	}
	nothing := jsonRow("[C01] an empty object", "missing-attribute", "{}", "/id", "/source", "/specversion", "/type")
	nothing.faults = 4
	return append(rows, nothing)
}

func jsonTextRows() []badRow {
	var rows []badRow
	for _, c := range badText[:14] {
		escaped := `\u` + strings.TrimPrefix(c.found, "U+")
		rows = append(rows, jsonRow("[C03] "+c.found+" in the id", "invalid-attribute", document("id", `"a`+escaped+`b"`),
			"/id", c.found))
	}
	for i, v := range []string{`\ud800`, `\udc00`, `\ud800x`, `\ud800\ud800`, `\udc00\ud800`} {
		rows = append(rows,
			jsonRow(fmt.Sprint("[C03] half a surrogate pair in the id, ", i), "invalid-attribute", document("id", `"`+v+`"`),
				"/id", "surrogate"),
			jsonRow(fmt.Sprint("[C03] half a surrogate pair in text, ", i), "invalid-data",
				document("datacontenttype", `"text/plain"`, "data", `"`+v+`"`), "/data", "surrogate"))
	}
	return append(rows, jsonRow("[C03] half a surrogate pair in a name", "invalid-attribute-name",
		`{"\ud800":"1",`+document()[1:], "surrogate"))
}

func jsonNameRows() []badRow {
	var rows []badRow
	for _, a := range []string{"specversion", "id", "source", "type", "subject", "time", "ext", "data"} {
		value := map[string]string{"specversion": `"1.0"`, "time": `"2026-01-02T03:04:05Z"`}[a]
		if value == "" {
			value = `"a"`
		}
		body := "{" + fmt.Sprintf("%q:%s,", a, value) + document(a, value)[1:]
		rows = append(rows, jsonRow("[C04] "+a+" twice", "duplicate-member", body, "/"+a, "more than once"))
	}
	rows = append(rows, jsonRow("[C04] id twice, once with an escape", "duplicate-member", `{"\u0069d":"2",`+document()[1:], "/id"))
	for _, name := range []string{
		"ID", "Id", "Source", "TYPE", "SpecVersion", "Time", "Subject", "DataContentType", "Data", "Data_Base64",
	} {
		rows = append(rows, jsonRow("[C04] "+name+" beside the right one", "invalid-attribute-name", document(name, `"a"`),
			name, "a-z"))
	}
	instead := jsonRow("[C04] ID for id", "invalid-event", document("id", absent, "ID", `"1"`), "ID", "id is missing")
	instead.faults = 2
	rows = append(rows, instead)
	for _, name := range []string{
		"Ext", "my_ext", "my-ext", "my.ext", "ext ", " ", "", "e\u00e9", "ext\u212a", "data-base64", strings.Repeat("a", 65),
	} {
		rows = append(rows, jsonRow("[C10] extension "+shown(name), "invalid-attribute-name", document(name, `"1"`), "a-z and 0-9"))
	}
	for _, v := range []string{
		"1.5", "1.0", "1e3", "2147483648", "-2147483649", "1e400", "{}", "[]", "[1,2]", strings.Repeat("9", 100),
	} {
		rows = append(rows, jsonRow("[C11] extension of "+shown(v), "invalid-attribute", document("ext", v),
			"/ext", v[:min(len(v), 70)], "32 bits"))
	}
	var many []string
	for i := range 65 {
		many = append(many, fmt.Sprint("e", i), `"1"`)
	}
	return append(rows,
		jsonRow("[C11] extension of 10 kB", "attribute-too-long", document("ext", `"`+strings.Repeat("x", 10_000)+`"`),
			"/ext", "at most 4096"),
		jsonRow("[C11] 65 extensions", "too-many-attributes", document(many...), "at most 64"))
}

func jsonGrammarRows() []badRow {
	var rows []badRow
	add := func(id, attribute string, values []string) {
		for _, v := range values {
			rows = append(rows, jsonRow(id+" "+attribute+" "+shown(v), "invalid-attribute", document(attribute, fmt.Sprintf("%q", v)),
				"/"+attribute, strings.Trim(fmt.Sprintf("%+q", v), `"`)))
		}
	}
	add("[C12]", "time", badTimes)
	add("[C13]", "source", badReferences)
	add("[C13]", "dataschema", badURIs)
	add("[C15]", "datacontenttype", []string{
		"///", "text", "/json", "text/", "a b/c", "text/plain; charset", "application/cloudevents+json",
		"application/cloudevents-batch+json",
	})
	return rows
}

func jsonDataRows() []badRow {
	rows := []badRow{
		jsonRow("[C14] data twice", "invalid-data", document("data", "1", "data_base64", `"MQ=="`), "/data_base64", "both"),
		jsonRow("[C14] null and base64", "invalid-data", document("data", "null", "data_base64", `"MQ=="`), "/data_base64", "both"),
	}
	for _, v := range []string{
		`"*"`, `"-_-_"`, `"AAA"`, `"AA="`, `"AA==="`, `"AB=="`, `"A"`, `"AA ="`, `"AAAA\n"`, `"AA==AA=="`, "7", "{}", "[]", "true",
	} {
		rows = append(rows, jsonRow("[C14] base64 of "+v, "invalid-data", document("data_base64", v), "/data_base64", "RFC 4648"))
	}
	for _, contentType := range []string{"text/plain", "application/xml", "image/png"} {
		for _, v := range []string{"1", "true", "{}", "[1]"} {
			rows = append(rows, jsonRow("[C15] "+v+" as "+contentType, "invalid-data",
				document("datacontenttype", fmt.Sprintf("%q", contentType), "data", v), "/data", contentType, "data_base64"))
		}
	}
	for _, charset := range []string{"utf-16", "iso-8859-1", "windows-1252"} {
		rows = append(rows, jsonRow("[C15] text in "+charset, "invalid-data",
			document("datacontenttype", `"text/plain; charset=`+charset+`"`, "data", `"a"`), "/data", charset, "data_base64"))
	}
	return rows
}

func jsonSyntaxRows() []badRow {
	good := document()
	var rows []badRow
	for _, c := range []struct{ name, body string }{
		{"nothing", ""},
		{"white space", " \r\n\t"},
		{"null", "null"},
		{"true", "true"},
		{"a number", "7"},
		{"a string", `"x"`},
		{"an array", "[" + good + "]"},
		{"half an object", good[:len(good)-1]},
		{"a lone brace", "{"},
		{"text after it", good + "x"},
		{"another event after it", good + good},
		{"a NUL after it", good + "\x00"},
		{"a byte order mark", "\ufeff" + good},
		{"UTF-16", "\xff\xfe{\x00}\x00"},
		{"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00"},
		{"a comma too many", good[:len(good)-1] + ",}"},
		{"a comma too few", `{"id":"1" "source":"/s"}`},
		{"no colon", `{"id" "1"}`},
		{"single quotes", "{'id':'1'}"},
		{"a name without quotes", `{id:"1"}`},
		{"a comment", "/* x */" + good},
		{"NaN", document("ext", "NaN")},
		{"Infinity", document("data", "-Infinity")},
		{"a number with a zero in front", document("data", "01")},
		{"a number without a digit after the point", document("data", "1.")},
		{"a number with a plus", document("data", "+1")},
		{"a hexadecimal number", document("data", "0x1")},
		{"a raw line feed in a string", document("id", "\"a\nb\"")},
		{"a raw tab in a string", document("data", "\"a\tb\"")},
		{"an unknown escape", document("id", `"\x41"`)},
		{"a short escape", document("id", `"\u12"`)},
		{"an open string", `{"id":"1`},
		{"invalid UTF-8 in the id", document("id", "\"\xff\"")},
		{"invalid UTF-8 in data", document("data", "\"\xc3\x28\"")},
		{"an overlong NUL", document("id", "\"\xc0\x80\"")},
		{"an encoded surrogate", document("id", "\"\xed\xa0\x80\"")},
		{"10,000 arrays", document("data", strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000))},
		{"10,000 objects", document("data", strings.Repeat(`{"a":`, 10_000)+"1"+strings.Repeat("}", 10_000))},
		{"900,000 open arrays", document("data", strings.Repeat("[", 900_000))},
		{"10,000 open objects", strings.Repeat(`{"a":`, 10_000)},
	} {
		rows = append(rows, jsonRow("[C18] "+c.name, "invalid-json", c.body, "document"))
	}
	return rows
}

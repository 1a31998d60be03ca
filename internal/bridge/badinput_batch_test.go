package bridge

import (
	"fmt"
	"strings"
)

func batchRow(name, code, body string, says ...string) badRow {
	return badRow{name: name, request: wirePost("/events/x", body, "Content-Type", batch), status: 400, code: code, says: says}
}

// batchOf is n good events.
func batchOf(n int) string {
	items := make([]string, n)
	for i := range items {
		items[i] = numbered(i)
	}
	return "[" + strings.Join(items, ",") + "]"
}

func numbered(i int) string { return document("id", fmt.Sprintf(`"g%d"`, i)) }

// batchRows is C19: with one bad event, none is stored.
func batchRows() []badRow {
	var rows []badRow
	for _, at := range []int{0, 1, 2} {
		items := []string{numbered(0), numbered(1), numbered(2)}
		for _, c := range []struct{ name, code, item, says string }{
			{"an empty id", "missing-attribute", document("id", `""`), "/id"},
			{"a bad time", "invalid-attribute", document("time", `"x"`), "/time"},
			{"another version", "unsupported-specversion", document("specversion", `"0.3"`), "/specversion"},
			{"a number", "invalid-json", "7", ""},
			{"null", "invalid-json", "null", ""},
			{"a batch", "invalid-json", "[" + numbered(9) + "]", ""},
			{"bad base64", "invalid-data", document("data_base64", `"*"`), "/data_base64"},
		} {
			bad := append([]string(nil), items...)
			bad[at] = c.item
			rows = append(rows, batchRow(fmt.Sprintf("[C19] %s at %d", c.name, at), c.code, "["+strings.Join(bad, ",")+"]",
				fmt.Sprintf("/%d%s", at, c.says)))
		}
	}
	for _, c := range []struct{ name, body string }{
		{"no array", numbered(0)},
		{"null", "null"},
		{"nothing", ""},
		{"a string", `"[]"`},
		{"cut short", "[" + numbered(0)},
		{"cut after a comma", "[" + numbered(0) + ","},
		{"a comma too many", "[" + numbered(0) + ",]"},
		{"text after it", "[" + numbered(0) + "]x"},
		{"two arrays", "[" + numbered(0) + "][" + numbered(1) + "]"},
		{"lines of events", numbered(0) + "\n" + numbered(1)},
	} {
		rows = append(rows, batchRow("[C19] "+c.name, "invalid-json", c.body, "document"))
	}
	several := batchRow("[C19] bad in several", "invalid-event",
		"["+document("id", `""`)+","+numbered(1)+","+document("type", `""`, "time", `"x"`)+"]", "/0/id", "/2/type", "/2/time")
	several.faults = 3
	thirty := batchRow("[C19] 30 bad ones", "missing-attribute",
		"["+strings.Repeat(document("id", `""`)+",", 29)+document("id", `""`)+"]", "/19/id")
	thirty.faults = 20
	tooMany := batchRow("[C19] 101 events", "batch-too-large", batchOf(101), "100 events")
	tooMany.status = 413
	muchTooMany := batchRow("[C19] 5,000 events", "batch-too-large", batchOf(5000), "100 events")
	muchTooMany.status = 413
	return append(rows, several, thirty, tooMany, muchTooMany)
}

// typeRows: an attribute never becomes part of a subject as it is.
func typeRows() []badRow {
	var rows []badRow
	for _, kind := range []string{
		"*", ">", "a.*", "a.>", "a b", "a..b", ".a", "a.", "a/b", "a%2eb", "\u00e9", "$JS.API", "$SYS", "events.", "events.*",
		strings.Repeat("a", 65), strings.Repeat("a.", 17) + "a",
	} {
		body := document("type", fmt.Sprintf("%q", kind))
		rows = append(rows, badRow{
			name: "type " + shown(kind), request: wirePost("/events", body, "Content-Type", structured),
			status: 400, code: "type-is-no-subject", says: []string{"/events/SUBJECT", "type"},
		})
	}
	return append(rows, badRow{
		name:    "[C19] a type that is no subject in a batch",
		request: wirePost("/events", "["+numbered(0)+","+document("type", `"a b"`)+"]", "Content-Type", batch),
		status:  400, code: "type-is-no-subject", says: []string{"Event 1"},
	})
}

// wideRows: 30 KiB of attributes are 90 KiB when they are percent-encoded; NATS takes 64.
func wideRows() []badRow {
	var members []string
	for i := range 8 {
		members = append(members, fmt.Sprint("ext", i), `"`+strings.Repeat("\u00e9", 1900)+`"`)
	}
	encoded := jsonRow("[C11] attributes beyond what NATS takes", "event-too-large", document(members...), "at most 65407")
	encoded.status = 413
	for i := range 4 {
		members = append(members, fmt.Sprint("more", i), `"`+strings.Repeat("x", 4000)+`"`)
	}
	return []badRow{encoded, jsonRow("[C11] attributes of 46 KiB", "too-many-attributes", document(members...), "at most 32768")}
}

// sizeRows are for a server whose stream takes 4 KiB.
func sizeRows() []badRow {
	large := `"` + strings.Repeat("x", 4<<10) + `"`
	var rows []badRow
	for _, c := range []struct{ name, request string }{
		{"plain data", wirePost("/events/x", strings.Repeat("x", 4<<10))},
		{"data of an event", wirePost("/events/x", document("data", large), "Content-Type", structured)},
		{"attributes", wirePost("/events/x", document("subject", `"`+strings.Repeat("x", 4000)+`"`), "Content-Type", structured)},
		{"one event of a batch", wirePost("/events/x", "["+numbered(0)+","+document("data", large)+"]", "Content-Type", batch)},
	} {
		rows = append(rows, badRow{
			name: "[C20] " + c.name, request: c.request, status: 413, code: "event-too-large", says: []string{"bytes", "at most"},
		})
	}
	return rows
}

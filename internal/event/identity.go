package event

import (
	"maps"
	"strings"
)

// Identity returns the headers that a raw message lacks to stay the event it is when it is stored elsewhere: its id, source, time
// and the rest come from where it was stored. An event with attributes of its own needs none, and a broken one stays what it is.
func Identity(m *Message) map[string][]string {
	if !isRaw(m) {
		return nil
	}
	e, err := Decode(m)
	if err != nil {
		return nil
	}
	header, _ := Encode(e)
	for have := range m.Header {
		maps.DeleteFunc(header, func(name string, _ []string) bool { return strings.EqualFold(name, have) })
	}
	return header
}

// isRaw says that a message is no CloudEvent by itself: neither binary mode (ce- headers) nor structured mode.
func isRaw(m *Message) bool {
	for k, vs := range m.Header {
		if hasPrefixFold(k, "ce-") {
			return false
		}
		if strings.EqualFold(k, "content-type") && len(vs) > 0 && hasPrefixFold(vs[0], "application/cloudevents") {
			return false
		}
	}
	return true
}

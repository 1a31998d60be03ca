package bridge

import "strings"

// The bounds of a subject made of a path or of an event's type.
const (
	subjectPrefix  = "events."
	maxSubject     = 200
	maxTokens      = 16
	maxTokenLength = 64
	subjectRule    = "1 to 16 tokens of A-Z a-z 0-9 _ -, each of 1 to 64 characters, separated by a dot or a slash, " +
		"at most 200 characters in all"
)

// subjectOf makes the subject of the tokens in name, which dots separate. Nothing but plain characters gets through:
// JetStream would store an event on a subject with a wildcard or a NUL in it.
func subjectOf(name string) (string, bool) {
	if len(subjectPrefix)+len(name) > maxSubject {
		return "", false
	}
	n := 0
	for token := range strings.SplitSeq(name, ".") {
		if n++; n > maxTokens || !validToken(token) {
			return "", false
		}
	}
	return subjectPrefix + name, true
}

// subjectOfType makes the subject of an event's type. A type that is a subject already stays what it is: that of an event
// which was published to NATS as a plain message is one.
func subjectOfType(kind string) (string, bool) {
	return subjectOf(strings.TrimPrefix(kind, subjectPrefix))
}

func validToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return s != "" && len(s) <= maxTokenLength
}

// eventsPath is where events are accepted, together with everything below it.
const eventsPath = "/events"

func isEventsPath(path string) bool {
	return path == eventsPath || strings.HasPrefix(path, eventsPath+"/")
}

// subjectOfPath makes the subject of a path below eventsPath: /events/orders/created and /events/orders.created are both
// events.orders.created. The path is the escaped one, so an escape is never undone into something with a meaning.
func subjectOfPath(path string) (string, bool) {
	return subjectOf(strings.ReplaceAll(strings.TrimPrefix(path, eventsPath+"/"), "/", "."))
}

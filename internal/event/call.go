package event

import "fmt"

// The headers of a message that was an HTTP request, for handlers that are web applications. They are no attributes of the
// event, and go with it wherever it is stored.
const (
	HeaderRequest = "Http-Request" // method and target: "POST /tasks?draft=1"
	HeaderField   = "Http-Header"  // one value for each field: "Accept: text/html"
	HeaderResult  = "Http-Result"  // what is kept of a call whose caller asks later: see package result
)

// The headers of a message whose sender waits, or will ask. They end with the message.
const (
	HeaderAnswer  = "Pelton-Answer"  // the subject on which the answer is awaited
	HeaderExpires = "Pelton-Expires" // until when, RFC 3339: no call begins after it
)

// The headers of a part of an answer. An answer of one part has number 0 and is the last. The sender of a part that is not the
// last goes on when it is replied to; a reply with the header Pelton-Gone says that nobody wants more.
const (
	HeaderStatus  = "Http-Status"     // with part 0, and HeaderField for each field
	HeaderPart    = "Pelton-Part"     // 0, 1, 2 ...
	HeaderSender  = "Pelton-Answerer" // who sends, where there is more than one part: two calls may answer one event
	HeaderLast    = "Pelton-Last"     // nothing follows
	HeaderFailure = "Pelton-Failure"  // there is no answer, or no more of it: a code; the data is the reason
	HeaderGone    = "Pelton-Gone"     // of a reply to a part
)

// ResultSubject is where it is stored what became of a call: pelton.result.NS.FN.TOKEN.
func ResultSubject(ns, fn, token string) (string, error) { return subject("result", ns, fn, token) }

// ResultPrefix begins the subjects of all results of one function: pelton.result.NS.FN.
func ResultPrefix(ns, fn string) string { return "pelton.result." + ns + "." + fn + "." }

// CallbackSubject is where it is stored that somebody is to be told what became of a call: pelton.callback.NS.FN.TOKEN.
func CallbackSubject(ns, fn, token string) (string, error) { return subject("callback", ns, fn, token) }

// IsPlainField says whether a header field has a name of letters, digits and hyphens, as those have that are handed on to web
// applications. CGI and what comes after it (WSGI, PHP) turn a hyphen into an underscore, and some a dot too: there a field with one of
// these would be taken for another field, or for a variable of the server itself.
func IsPlainField(name string) bool {
	for i := range len(name) {
		if c := name[i]; c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return name != ""
}

// InboxPrefix begins all inboxes of a function that has NATS credentials of its own.
func InboxPrefix(ns, fn string) string { return "_INBOX_PELTON." + ns + "." + fn + "." }

// AnswerSubject is where one caller awaits the answer of a function: pelton.answer.NS.FN.BRIDGE.TOKEN.
func AnswerSubject(ns, fn, bridge, token string) (string, error) {
	return subject("answer", ns, fn, bridge, token)
}

// AnswerPrefix begins the subjects of everybody who waits for answers of one function: pelton.answer.NS.FN.
func AnswerPrefix(ns, fn string) string { return "pelton.answer." + ns + "." + fn + "." }

// AnswerFilter takes all answers for one bridge: pelton.answer.*.*.BRIDGE.*
func AnswerFilter(bridge string) (string, error) {
	if !validLeaf(bridge) {
		return "", fmt.Errorf("build answer filter: %s cannot be a token of a subject", quote(bridge))
	}
	return "pelton.answer.*.*." + bridge + ".*", nil
}

package event

import "strconv"

// HeaderBody is of a message whose data is too large for one, and is kept beside the queue: which body it is (package claim). It is no
// attribute of the event, and goes with it wherever it is stored.
const HeaderBody = "Http-Body"

// BodySubject is where one piece of a body lies: pelton.body.NS.FN.ID.N.
func BodySubject(ns, fn, id string, piece int) (string, error) {
	return subject("body", ns, fn, id, strconv.Itoa(piece))
}

// BodyPrefix begins the subjects of all bodies of one function: pelton.body.NS.FN.
func BodyPrefix(ns, fn string) string { return "pelton.body." + ns + "." + fn + "." }

package event

import "strings"

// BusyFilter takes what all replicas of all functions say of how busy they are.
const BusyFilter = "pelton.busy.*.*.*"

// Leaving is what a replica says on its BusySubject when it has begun to stop. Before, it says a number in decimal: how many
// calls are in work there that a stop would have to wait for.
const Leaving = "leaving"

// BusySubject is where one replica says how busy it is: pelton.busy.NS.FN.REPLICA. No stream holds that: it is true now, or
// worth nothing.
func BusySubject(ns, fn, replica string) (string, error) { return subject("busy", ns, fn, replica) }

// ParseBusySubject reads a BusySubject. Who may publish on it may still name a replica that is not his.
func ParseBusySubject(s string) (ns, fn, replica string, ok bool) {
	rest, ours := strings.CutPrefix(s, "pelton.busy.")
	tokens := strings.Split(rest, ".")
	if !ours || len(tokens) != 3 || !ValidToken(tokens[0]) || !ValidToken(tokens[1]) || !validLeaf(tokens[2]) {
		return "", "", "", false
	}
	return tokens[0], tokens[1], tokens[2], true
}

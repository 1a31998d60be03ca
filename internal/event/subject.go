package event

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// MessageID makes the Nats-Msg-Id of an event: a hash of what makes it unique, which is source and id together. scope
// separates copies of one event that must not suppress each other, such as one for each function.
func MessageID(source, id string, scope ...string) string {
	var buf [256]byte
	parts := appendPart(appendPart(buf[:0], source), id)
	for _, s := range scope {
		parts = appendPart(parts, s)
	}
	sum := sha256.Sum256(parts)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// appendPart writes the length first, so that ("ab","c") and ("a","bc") differ.
func appendPart(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// maxToken bounds a namespace, function or stream name within a subject.
const maxToken = 255

// WorkSubject is where work for one function is published: pelton.work.NS.FN.LEAF...; at least one leaf is needed.
func WorkSubject(ns, fn string, leaf ...string) (string, error) {
	if len(leaf) == 0 {
		return "", fmt.Errorf("build work subject of %s/%s: no token after the function", ns, fn)
	}
	return subject("work", ns, fn, leaf...)
}

// WorkFilter takes all work of one function: pelton.work.NS.FN.>
func WorkFilter(ns, fn string) (string, error) {
	s, err := subject("work", ns, fn)
	if err != nil {
		return "", err
	}
	return s + ".>", nil
}

// ParkSubject is where the message at one sequence of a stream waits for its retry: pelton.park.NS.FN.STREAM.SEQ.
func ParkSubject(ns, fn, stream string, seq uint64) (string, error) {
	return subject("park", ns, fn, stream, strconv.FormatUint(seq, 10))
}

// DeadSubject is where a function's dead letters are stored: pelton.dead.NS.FN.
func DeadSubject(ns, fn string) (string, error) { return subject("dead", ns, fn) }

// RunSubject is where a function's run records are stored: pelton.run.NS.FN.
func RunSubject(ns, fn string) (string, error) { return subject("run", ns, fn) }

func subject(kind, ns, fn string, leaf ...string) (string, error) {
	var b strings.Builder
	b.WriteString("pelton." + kind)
	for _, token := range [...]string{ns, fn} {
		if !ValidToken(token) {
			return "", fmt.Errorf("build %s subject: %s is not a name: want a-z, 0-9 and inner -", kind, quote(token))
		}
		b.WriteString("." + token)
	}
	for _, token := range leaf {
		if !validLeaf(token) {
			return "", fmt.Errorf("build %s subject: %s cannot be a token of a subject", kind, quote(token))
		}
		b.WriteString("." + token)
	}
	return b.String(), nil
}

// ValidToken reports whether s is a namespace or function name: ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$.
func ValidToken(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && !isDigit(c) && c != '-' {
			return false
		}
	}
	return true
}

// validLeaf takes what NATS takes as a stream name, in ASCII.
func validLeaf(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`.*>/\`, s[i]) >= 0 {
			return false
		}
	}
	return s != "" && len(s) <= maxToken
}

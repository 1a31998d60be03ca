package function

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxSubject is the longest subject a manifest may name, in bytes.
const MaxSubject = 255

// ValidSubject says why pattern cannot be subscribed to, or nil. Wildcards are allowed: * stands for one token and > for
// one or more at the end.
func ValidSubject(pattern string) error {
	if err := checkSubject(pattern, true); err != nil {
		return fmt.Errorf("subject %s: %w", quote(pattern), err)
	}
	return nil
}

// ValidPublishSubject says why an event cannot be published to subject, or nil.
func ValidPublishSubject(subject string) error {
	if err := checkSubject(subject, false); err != nil {
		return fmt.Errorf("subject %s: %w", quote(subject), err)
	}
	return nil
}

func checkSubject(subject string, wildcards bool) error {
	switch {
	case subject == "":
		return errors.New("it is empty")
	case len(subject) > MaxSubject:
		return fmt.Errorf("it is %d bytes long, more than %d", len(subject), MaxSubject)
	case !utf8.ValidString(subject):
		return errors.New("it is not valid UTF-8")
	}
	tokens := strings.Split(subject, ".")
	for i, token := range tokens {
		if err := checkToken(token, wildcards, i == len(tokens)-1); err != nil {
			return fmt.Errorf("token %d %w", i+1, err)
		}
	}
	return checkReserved(tokens[0])
}

func checkToken(token string, wildcards, last bool) error {
	switch {
	case token == "":
		return errors.New("is empty")
	case strings.ContainsFunc(token, func(r rune) bool { return !unicode.IsGraphic(r) || r == utf8.RuneError }):
		return errors.New("has a character that cannot be printed")
	case strings.ContainsFunc(token, unicode.IsSpace):
		return errors.New("has a space")
	case !strings.ContainsAny(token, "*>"):
		return nil
	case !wildcards:
		return errors.New("has a wildcard, and an event is published to one exact subject")
	case len(token) > 1:
		return fmt.Errorf("is %s: a wildcard must be a token of its own", quote(token))
	case token == ">" && !last:
		return errors.New("is >, which is only allowed as the last token")
	}
	return nil
}

// checkReserved refuses the subjects that belong to the server and to Pelton. Key-value ($KV) and object store ($O) subjects
// hold users' data, so they are open.
func checkReserved(first string) error {
	switch {
	case first == "pelton":
		return errors.New("pelton.> is reserved for Pelton's own streams")
	case first == "$KV" || first == "$O":
		return nil
	case strings.HasPrefix(first, "$"):
		return fmt.Errorf("%s.> is reserved for the NATS server", first)
	case strings.HasPrefix(first, "_INBOX"), first == "_R_", first == "_GR_":
		return fmt.Errorf("%s.> is reserved for NATS replies", first)
	}
	return nil
}

// MatchSubject reports whether a published subject is one that pattern subscribes to. It allocates nothing.
func MatchSubject(pattern, subject string) bool {
	for {
		p, patternRest, morePattern := strings.Cut(pattern, ".")
		s, subjectRest, moreSubject := strings.Cut(subject, ".")
		if p == ">" {
			return s != "" || moreSubject
		}
		if p != "*" && p != s {
			return false
		}
		if !morePattern || !moreSubject {
			return morePattern == moreSubject
		}
		pattern, subject = patternRest, subjectRest
	}
}

// SubjectsOverlap reports whether some subject matches both patterns.
func SubjectsOverlap(a, b string) bool {
	for {
		ta, restA, moreA := strings.Cut(a, ".")
		tb, restB, moreB := strings.Cut(b, ".")
		if ta == ">" || tb == ">" {
			return true
		}
		if ta != tb && ta != "*" && tb != "*" {
			return false
		}
		if !moreA || !moreB {
			return moreA == moreB
		}
		a, b = restA, restB
	}
}

// SubjectCovers reports whether every subject that matches narrow matches wide.
func SubjectCovers(wide, narrow string) bool {
	for {
		w, restW, moreW := strings.Cut(wide, ".")
		n, restN, moreN := strings.Cut(narrow, ".")
		if w == ">" {
			return true
		}
		if n == ">" || w != n && w != "*" {
			return false
		}
		if !moreW || !moreN {
			return moreW == moreN
		}
		wide, narrow = restW, restN
	}
}

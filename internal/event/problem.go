package event

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is one rule an event breaks. Codes are stable; details are sentences that name the attribute, what was found
// (escaped, at most 80 characters) and what is allowed.
type Problem struct {
	Attribute string `json:"attribute,omitempty"` // attribute or member; empty when the whole message is meant
	Pointer   string `json:"pointer,omitempty"`   // RFC 6901 pointer into a JSON body
	Header    string `json:"header,omitempty"`    // header that carried the attribute
	Code      string `json:"code"`
	Detail    string `json:"detail"`
}

// The codes of a Problem. They appear in HTTP answers, dead letters and metrics, and do not change.
const (
	CodeMissingAttribute       = "missing-attribute"
	CodeInvalidAttribute       = "invalid-attribute"
	CodeInvalidName            = "invalid-attribute-name"
	CodeAttributeTooLong       = "attribute-too-long"
	CodeTooManyAttributes      = "too-many-attributes"
	CodeUnsupportedSpecVersion = "unsupported-specversion"
	CodeDuplicateMember        = "duplicate-member"
	CodeDuplicateHeader        = "duplicate-header"
	CodeForbiddenHeader        = "forbidden-header"
	CodeInvalidEncoding        = "invalid-encoding" // percent-encoding or quoting of a header value
	CodeInvalidJSON            = "invalid-json"
	CodeInvalidData            = "invalid-data"
	CodeUnsupportedMediaType   = "unsupported-media-type"
	CodeBatchTooLarge          = "batch-too-large"
)

// Refusal says in one error what is wrong, nil if nothing is.
func Refusal(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	details := make([]string, len(problems))
	for i := range problems {
		details[i] = problems[i].Detail
	}
	return errors.New(strings.Join(details, "; "))
}

// MaxProblems bounds the problems reported for one message.
const MaxProblems = 20

// DecodeError says why a stored message is not an event. Reason is a sentence fit for a dead letter.
type DecodeError struct {
	Attribute string // the first attribute at fault; empty when the whole message is
	Reason    string
}

// Error returns the reason.
func (e *DecodeError) Error() string { return "decode event: " + e.Reason }

// maxReasons bounds the sentences put into one DecodeError.
const maxReasons = 5

func decodeError(problems []Problem) *DecodeError {
	reasons := make([]string, 0, maxReasons+1)
	for i, p := range problems {
		if i == maxReasons {
			reasons = append(reasons, fmt.Sprintf("and %d more", len(problems)-maxReasons))
			break
		}
		reasons = append(reasons, p.Detail)
	}
	return &DecodeError{Attribute: problems[0].Attribute, Reason: strings.Join(reasons, "; ")}
}

// sortProblems makes the order independent of the iteration order of header maps.
func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Attribute, b.Attribute), cmp.Compare(a.Code, b.Code))
	})
}

// maxQuoted bounds what a detail shows of a value, in characters.
const maxQuoted = 80

// quote shows foreign text in a message: escaped, ASCII only, cut.
func quote(s string) string {
	cut := s
	if len(cut) > maxQuoted {
		cut = cut[:maxQuoted]
	}
	q := strconv.QuoteToASCII(cut)
	if len(q) > maxQuoted {
		return q[:maxQuoted-4] + `..."`
	}
	if len(cut) < len(s) {
		return q[:len(q)-1] + `..."`
	}
	return q
}

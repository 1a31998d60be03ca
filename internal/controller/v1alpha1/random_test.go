package v1alpha1_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// randomCases are made of pieces that matter to the rule of a field: what nobody has thought of. They are the same each time.
func randomCases(t *testing.T) (cases []manifestCase) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for _, r := range randomFields() {
		for i := range 150 {
			value := r.draw(random)
			c := caseOf(t, fmt.Sprintf("%s at random %d: %q", r.path, i, value), change{r.path, value})
			c.beyondPerhaps = r.beyondPerhaps
			cases = append(cases, c)
		}
	}
	return cases
}

type randomField struct {
	path          string
	draw          func(*rand.Rand) string
	beyondPerhaps bool
}

func randomFields() []randomField {
	subject := pieces("a", "b", ".", ".", "*", ">", "$KV", "$", "_INBOX", "pelton", "é", " ", "\u200b", "$O", "_R_", ".a", ".b")
	return []randomField{
		{"spec.triggers.0.event.subjects.0", subject, true}, // it may overlap the other one
		{"spec.reply.subject", subject, false},
		{"spec.triggers.0.event.stream", pieces("A", "_", "-", "PELTON_", "é", ".", "*", ">", "/", `\`, " ", "1", "\u0301", "\u2028"), false},
		{"spec.triggers.1.schedule.cron", cronFields, true},
		{"spec.triggers.1.schedule.timeZone", pieces("Europe", "/", "Oslo", "UTC", ".", "Etc", "GMT", "+1", " ", "-"), true},
		{"spec.triggers.2.http.path", pieces("/", "/", "a", ".", "..", "events", "pelton", "~", "%", "é", "/b"), false},
		{"spec.handler.env.0.name", pieces("A", "_", "1", "PORT", "PELTON", "PELTON_", "CE_", "-", " ", "é"), false},
		{"spec.handler.image", pieces("a", "/", ":", "@", " ", "é", "~", "\t"), false},
		{"spec.timeout", pieces("1", "0", ".", "5", "s", "m", "h", "ms", "-", "+", "us", "µs", "ns", " ", "e3"), false},
		{"spec.retry.minBackoff", pieces("1", "0", "9", "s", "m", "ms", "h"), false},
		{"spec.resources.requests.cpu", pieces("1", "0", ".", "m", "Ki", "M", "e", "E", "-", " ", "i"), false},
		{"metadata.labels.team", pieces("a", ".", "-", "_", "A", "1", " ", "/", "é"), false},
		{"metadata.name", pieces("a", "1", "-", ".", "A", "_", "aaaaaaaaaaaaaaaaaaaaaaaaaaa"), false},
	}
}

// pieces draws up to six of the given texts.
func pieces(from ...string) func(*rand.Rand) string {
	return func(random *rand.Rand) string {
		var b strings.Builder
		for range random.IntN(6) + 1 {
			b.WriteString(from[random.IntN(len(from))])
		}
		return b.String()
	}
}

// cronFields draws expressions of which a good part is valid.
func cronFields(random *rand.Rand) string {
	fields := make([]string, 5)
	for i := range fields {
		value := func() string {
			if random.IntN(8) == 0 {
				return []string{"JAN", "dec", "MON", "sat", "L", "?", "07", "099", "00"}[random.IntN(9)]
			}
			return fmt.Sprint(random.IntN([]int{62, 26, 33, 14, 8}[i]))
		}
		items := make([]string, random.IntN(2)+1)
		for j := range items {
			items[j] = []string{"*", value(), value() + "-" + value(), "*/" + value(), value() + "/" + value(), "?"}[random.IntN(6)]
		}
		fields[i] = strings.Join(items, ",")
	}
	return strings.Join(fields, " ")
}

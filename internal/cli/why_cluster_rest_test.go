package cli

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRestLine: one replica that rests is the answer, whatever the others say.
func TestRestLine(t *testing.T) {
	t.Parallel()
	asks, rests := rest{pod: "a"}, rest{pod: "b", why: "20 events have failed"}
	failed := rest{pod: "c", err: errors.New("forbidden")}
	const hint = "mend what the handler calls; what waits keeps its attempts"
	for name, c := range map[string]struct {
		answers []rest
		want    *check
	}{
		"no replica":    {nil, nil},
		"none rests":    {[]rest{asks, asks}, nil},
		"not asked":     {[]rest{asks, failed}, &check{Name: "calls", State: checkNote, Detail: "c cannot be asked whether it rests: forbidden"}},
		"one rests":     {[]rest{asks, failed, rests}, &check{Name: "calls", State: checkFail, Detail: "b asks for no events: 20 events have failed", Try: hint}},
		"several do so": {[]rest{rests, asks, rests}, &check{Name: "calls", State: checkFail, Detail: "2 of 3 replicas that were asked rest; b asks for no events: 20 events have failed", Try: hint}},
	} {
		if diff := cmp.Diff(c.want, restLine(c.answers, error.Error)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

package cli

import (
	"io"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/supervisor"
)

// jsonView writes one line of JSON for each thing.
type jsonView struct{ w io.Writer }

// line writes an event of `pelton up`; v adds its fields.
func (j jsonView) line(kind string, at time.Time, v any) {
	_ = writeLine(j.w, struct {
		Time time.Time `json:"time"`
		Type string    `json:"type"`
		Data any       `json:"data,omitempty"`
	}{at.UTC(), kind, v})
}

func (j jsonView) run(r ledger.Run) { j.line("run", r.Started.Add(r.Duration), r) }

func (j jsonView) event(e supervisor.Event) {
	j.line(string(e.Kind), e.Time, struct {
		Function string        `json:"function,omitempty"`
		Replica  string        `json:"replica,omitempty"`
		Wanted   *int          `json:"wanted,omitempty"`
		Text     string        `json:"text,omitempty"`
		Took     time.Duration `json:"tookNs,omitempty"`
		Lines    []string      `json:"lines,omitempty"`
	}{keyOf(e.Function.Namespace, e.Function.Name), e.Replica, wantedOf(e), e.Text, e.Took, e.Lines})
}

func wantedOf(e supervisor.Event) *int {
	if e.Kind != supervisor.EventScaled {
		return nil
	}
	return &e.Wanted
}

func (j jsonView) output(o supervisor.Output) {
	j.line("output", time.Now(), struct {
		Function string `json:"function"`
		Replica  string `json:"replica,omitempty"`
		Stderr   bool   `json:"stderr"`
		Line     string `json:"line"`
	}{o.Function.String(), o.Replica, o.Stderr, o.Line})
}

func (j jsonView) summary(key function.Key, t *tally) {
	if t.runs > 0 {
		j.line("runs", time.Now(), struct {
			Function string         `json:"function"`
			Runs     int            `json:"runs"`
			Outcomes map[string]int `json:"outcomes"`
			Reasons  map[string]int `json:"reasons,omitempty"`
			Mean     time.Duration  `json:"meanNs"`
			Slowest  time.Duration  `json:"slowestNs"`
		}{keyOf(key.Namespace, key.Name), t.runs, t.outcomes, t.reasons, t.mean(), t.slowest})
	}
	if t.lines > 0 {
		j.line("lost", time.Now(), struct {
			Function string `json:"function"`
			Lines    int    `json:"lines"`
		}{keyOf(key.Namespace, key.Name), t.lines})
	}
}

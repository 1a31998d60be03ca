package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/supervisor"
)

// textView writes one line for people for each thing.
type textView struct {
	w     io.Writer
	paint paint
	runs  *runPrinter
}

func newTextView(w io.Writer, p paint) textView { return textView{w, p, &runPrinter{paint: p}} }

func (v textView) run(r ledger.Run) { fmt.Fprintln(v.w, v.runs.line(r)) }

// note writes a line that is about a function but not about a run.
func (v textView) note(at time.Time, key function.Key, text string) {
	name := ""
	if key.Name != "" {
		name = key.String()
	}
	v.runs.name = max(v.runs.name, len(name))
	fmt.Fprintf(v.w, "%s  %-*s  %s\n", v.paint.dim(clock(at)), v.runs.name, name, text)
}

func (v textView) event(e supervisor.Event) {
	if text := v.eventText(e); text != "" {
		v.note(e.Time, e.Function, text) // without its lines: they were shown when they were written
	}
}

// eventText is "" for what another line says anyway: a run's tells of the start, and a failed setup's of the failed build.
func (v textView) eventText(e supervisor.Event) string {
	text := oneLine(e.Text, 200)
	switch e.Kind {
	case supervisor.EventScaled:
		return v.paint.dim(fmt.Sprintf("scale to %d: %s", e.Wanted, text))
	case supervisor.EventReady, supervisor.EventBuildFailed:
		return ""
	case supervisor.EventBuild:
		return v.paint.dim("building")
	case supervisor.EventBuilt:
		return v.paint.dim("built in " + short(e.Took))
	case supervisor.EventExited, supervisor.EventStartFailed, supervisor.EventSetupFailed,
		supervisor.EventReloadError, supervisor.EventWatchError, eventNATSLost, eventStoreRefuses:
		return withText(v.paint.red(string(e.Kind)), text)
	default:
		return withText(v.paint.yellow(string(e.Kind)), text)
	}
}

func withText(kind, text string) string {
	if text == "" {
		return kind
	}
	return kind + ": " + text
}

func (v textView) output(o supervisor.Output) {
	v.note(time.Now(), o.Function, v.paint.dim("| ")+oneLine(o.Line, 300))
}

func (v textView) summary(key function.Key, t *tally) {
	var parts []string
	if t.runs > 0 {
		text := plural(t.runs, "more run") + counts(t.outcomes)
		if len(t.reasons) > 0 {
			text += "  reasons:" + counts(t.reasons)
		}
		parts = append(parts, fmt.Sprintf("%s  run %s on average, %s at most", text, short(t.mean()), short(t.slowest)))
	}
	if t.lines > 0 {
		parts = append(parts, v.paint.dim(plural(t.lines, "line")+" not shown"))
	}
	v.note(time.Now(), key, strings.Join(parts, "; "))
}

// counts writes how often each of some words has come.
func counts(words map[string]int) string {
	text := ""
	for _, word := range sortedKeys(words) {
		text += fmt.Sprintf("  %s %d", word, words[word])
	}
	return text
}

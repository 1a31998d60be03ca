package cli

import (
	"fmt"
	"strings"

	"github.com/pelton-dev/pelton/internal/ledger"
)

// runPrinter formats runs as one line each. Columns grow with what they have to hold and stay aligned.
type runPrinter struct {
	paint paint
	name  int // width of the function column so far
}

const shortID = 8

func (p *runPrinter) line(r ledger.Run) string {
	name := keyOf(r.Namespace, r.Function)
	p.name = max(p.name, len(name))
	var b strings.Builder
	b.WriteString(p.paint.dim(clock(r.Started.Add(r.Duration))))
	fmt.Fprintf(&b, "  %-*s  %-*s  %s", p.name, name, shortID, lastPart(eventID(r)), p.outcome(r.Outcome))
	if r.Outcome == ledger.OutcomeFiltered {
		return b.String()
	}
	if r.Attempt > 0 {
		fmt.Fprintf(&b, "  %d/%d", r.Attempt, r.MaxAttempts)
	}
	fmt.Fprintf(&b, "  wait %s", short(r.Wait))
	if r.Cold > 0 {
		fmt.Fprintf(&b, "  cold %s", short(r.Cold))
	}
	fmt.Fprintf(&b, "  run %s", short(r.Duration))
	if !r.Next.IsZero() {
		fmt.Fprintf(&b, "  again in %s", short(r.Next.Sub(r.Started.Add(r.Duration))))
	}
	if r.Rests > 0 {
		fmt.Fprintf(&b, "  replica rests %s", short(r.Rests))
	}
	if why := strings.Trim(r.Reason+": "+oneLine(r.Error, 120), ": "); why != "" {
		b.WriteString("  " + why)
	}
	return b.String()
}

// eventID is the event's id. What could not be decoded has none: then it is where the message is stored, as for raw
// messages.
func eventID(r ledger.Run) string {
	if r.EventID == "" && r.Stream != "" {
		return messageID(r.Stream, r.Sequence)
	}
	return r.EventID
}

// messageID names a stored message.
func messageID(stream string, sequence uint64) string { return fmt.Sprintf("%s-%d", stream, sequence) }

// outcome is the word for an outcome, padded to one width and coloured.
func (p *runPrinter) outcome(o string) string {
	word := fmt.Sprintf("%-8s", o)
	switch o {
	case ledger.OutcomeDone:
		return p.paint.green(word)
	case ledger.OutcomeRetry:
		return p.paint.yellow(word)
	case ledger.OutcomeDead, ledger.OutcomeFailed:
		return p.paint.red(word)
	default:
		return p.paint.dim(word)
	}
}

// lastPart shortens an id. Ids in order of time differ at their end, and so do those of raw messages.
func lastPart(id string) string {
	id = oneLine(id, 200)
	if len(id) <= shortID {
		return id
	}
	if i := strings.LastIndexByte(id, '-'); i >= 0 && len(id)-i <= shortID {
		return "…" + id[i+1:]
	}
	return "…" + id[len(id)-shortID+1:]
}

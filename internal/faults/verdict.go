package faults

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Verdict is what a run came to, and what it takes to have the same run again.
type Verdict struct {
	Seed        uint64        `json:"seed"`
	Load        Load          `json:"load"`
	Timeout     time.Duration `json:"timeout"`
	Concurrency int           `json:"concurrency"`
	Batch       int           `json:"batch,omitempty"`
	MaxDeliver  int           `json:"maxDeliver,omitempty"`
	Host        bool          `json:"host,omitempty"`
	Ordered     bool          `json:"ordered,omitempty"`
	Planted     string        `json:"planted,omitempty"`
	Dies        string        `json:"dies,omitempty"`
	Faults      []Action      `json:"faults"`

	Passed     bool              `json:"passed"`
	Took       time.Duration     `json:"took"`
	Settled    time.Duration     `json:"settled"` // how long after the last fault nothing waited any more
	Unsettled  string            `json:"unsettled,omitempty"`
	Died       int               `json:"died,omitempty"` // sidecars that died of themselves: a build does so if asked to
	InFlight   int               `json:"inFlight"`       // at all faults together, at most: so many duplicates can be
	Versions   map[string]string `json:"versions"`
	Counts     Counts            `json:"counts"`
	Recovery   []Recovery        `json:"recovery"`
	Violations []Finding         `json:"violations"`
}

// remember notes what was run.
func (v *Verdict) remember(cfg Config) {
	v.Seed, v.Load, v.Timeout, v.Concurrency = cfg.Seed, cfg.Load, cfg.Timeout, cfg.Concurrency
	v.Batch, v.MaxDeliver, v.Host, v.Planted, v.Dies = cfg.Batch, cfg.MaxDeliver, cfg.Host, cfg.Planted, cfg.Dies
	v.Ordered = cfg.Ordered
	v.Versions = versions()
}

// ReadVerdict reads the file of a verdict.
func ReadVerdict(path string) (*Verdict, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read verdict: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	v := &Verdict{}
	if err := decoder.Decode(v); err != nil {
		return nil, fmt.Errorf("read verdict %s: %w", path, err)
	}
	return v, nil
}

// Again makes a run that does the same: the same events, and the same faults at the same times.
func (v *Verdict) Again(cfg Config) Config {
	cfg.Seed, cfg.Load, cfg.Timeout, cfg.Concurrency = v.Seed, v.Load, v.Timeout, v.Concurrency
	cfg.Batch, cfg.MaxDeliver, cfg.Host, cfg.Planted, cfg.Dies = v.Batch, v.MaxDeliver, v.Host, v.Planted, v.Dies
	cfg.Ordered = v.Ordered
	cfg.Plan = make([]Action, len(v.Faults))
	for i, a := range v.Faults {
		cfg.Plan[i] = Action{At: a.At, Target: a.Target, Fault: a.Fault, Pause: a.Pause}
	}
	slices.SortStableFunc(cfg.Plan, func(a, b Action) int { return cmp.Compare(a.At, b.At) })
	return cfg
}

// Has reports whether there is a violation of a class.
func (v *Verdict) Has(class Class) bool {
	for _, f := range v.Violations {
		if f.Class == class {
			return true
		}
	}
	return false
}

// WriteFile writes the verdict as JSON.
func (v *Verdict) WriteFile(path string) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode verdict: %w", err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write verdict: %w", err)
	}
	return nil
}

// shown is how many violations a table shows; the file has all.
const shown = 20

// Print writes the table.
func (v *Verdict) Print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	n := v.Counts
	for _, row := range []struct {
		what  string
		count int
		note  string
	}{
		{"faults", countFaults(v.Faults), v.faultsByKind()},
		{"died", v.Died, "sidecars, in the moments that -dies names"},
		{"events sent", n.Sent, ""},
		{"accepted", n.Accepted, fmt.Sprintf("acknowledged to the publisher; %d of them with 202, over HTTP", n.HTTP)},
		{"tries unsent", n.Unsent, "for want of a connection, and said so at once"},
		{"refused", n.Refused, "not acknowledged and not stored"},
		{"ok", n.OK, "accepted, and done or dead as they should be"},
		{"recovered", n.Recovered, "not acknowledged, but stored and handled"},
		{"dead letters", n.Dead, "events that have one"},
		{"replayed", n.Replayed, "of them: replayed at the end, to a handler that takes them, and done"},
		{"calls", n.Calls, "of handlers"},
		{"duplicates", n.Duplicates, fmt.Sprintf("done again; at most %d were in flight at the faults", v.InFlight)},
		{"both", n.Both, "done and dead; allowed with faults"},
		{"lost", n.Lost, "must be 0, and so must all below"},
		{"stuck", n.Stuck, v.Unsettled},
		{"phantom", n.Phantom, ""},
		{"corrupt", n.Corrupt, ""},
		{"overattempted", n.Overattempted, ""},
		{"misjudged", n.Misjudged, "dead for a reason that is not theirs"},
		{"unanswered", n.Unanswered, "done, and no reply"},
		{"twice", n.Twice, "stored events, replies or dead letters"},
		{"crowded", n.Crowded, "more calls at one time than there is room for"},
		{"unreplayed", n.Unreplayed, "dead, replayed, and not done"},
		{"reordered", n.Reordered, "begun before the one before it of its key had ended"},
		{"crashed", n.Crashed, "panics of our programs"},
	} {
		_, _ = fmt.Fprintf(t, "%s\t%d\t%s\n", row.what, row.count, row.note) // Flush has the error
	}
	_, _ = fmt.Fprintf(t, "settled after\t%s\t\n", v.Settled.Round(100*time.Millisecond))
	for _, r := range v.Recovery {
		_, _ = fmt.Fprintf(t, "recovery\t%d\t%s: %s\n", r.Kills, r.Of, r)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print verdict: %w", err)
	}
	return v.printViolations(out)
}

func (v *Verdict) printViolations(out io.Writer) error {
	var b strings.Builder
	for i, f := range v.Violations {
		if i == shown {
			fmt.Fprintf(&b, "... and %d more\n", len(v.Violations)-shown)
			break
		}
		fmt.Fprintf(&b, "%s %s: %s\n", f.Class, f.Event, f.Detail)
	}
	result := "PASSED"
	if !v.Passed {
		result = "FAILED"
	}
	_, err := fmt.Fprintf(out, "%s%s seed %d\n", b.String(), result, v.Seed)
	return err
}

func (v *Verdict) faultsByKind() string {
	count := map[Fault]int{}
	for _, a := range v.Faults {
		if a.Result == "" {
			count[a.Fault]++
		}
	}
	var kinds []string
	for _, f := range slices.Concat(ofProcesses, []Fault{FaultRefuse}, ofLinks, []Fault{FaultPoor}) {
		if count[f] > 0 {
			kinds = append(kinds, fmt.Sprintf("%s %d", f, count[f]))
		}
	}
	return strings.Join(kinds, ", ")
}

// versions says what was judged, as far as this program was built of the same.
func versions() map[string]string {
	v := map[string]string{"go": runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, d := range info.Deps {
		if strings.HasPrefix(d.Path, "github.com/nats-io/nats") {
			v[d.Path] = d.Version
		}
	}
	return v
}

package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/faults"
)

// options are the flags, and the run that they make.
type options struct {
	cfg     faults.Config
	profile string
	events  int
	rate    float64
	quiet   bool
	poison  bool
	planted string
	replay  string
	verdict string
	keep    bool
}

// profiles are sizes of a run. Flags that are given beside one count more.
var profiles = map[string]struct {
	duration, every time.Duration
	events          int
	rate            float64
}{
	"short": {duration: time.Minute, every: 1500 * time.Millisecond, rate: 100},
	"ci":    {events: 50_000, every: 1500 * time.Millisecond, rate: 150},
	"night": {duration: time.Hour, every: 1500 * time.Millisecond, rate: 150},
	"hand":  {events: 1_000_000, every: 1600 * time.Millisecond, rate: 200},
}

func profileNames() string { return strings.Join(slices.Sorted(maps.Keys(profiles)), ", ") }

// kinds are those of the processes that -kill may name.
var kinds = []string{"handler", "sidecar", "server", "bridge"}

// quietTimeout is more than any call takes on a machine that is busy with other things. Calls that hang then hold a place for
// so long that there must be more of them.
const (
	quietTimeout     = 20 * time.Second
	quietConcurrency = 32
	poisonPatience   = time.Hour // many dead letters take long to replay
)

// readOptions reads the flags. What cannot be is an error.
func readOptions(args []string, out io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.SetOutput(out)
	o.register(flags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("argument %q: want flags only", flags.Arg(0))
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if err := o.check(given); err != nil {
		return nil, err
	}
	o.size(given)
	return o, o.special()
}

func (o *options) register(flags *flag.FlagSet) {
	flags.Uint64Var(&o.cfg.Seed, "seed", uint64(time.Now().UnixNano())%1_000_000, "decides on every fault and every event")
	flags.StringVar(&o.profile, "profile", "short", "size of the run: "+profileNames())
	flags.DurationVar(&o.cfg.Duration, "duration", 0, "how long there are events and faults")
	flags.IntVar(&o.events, "events", 0, "how many events, in place of a duration")
	flags.Float64Var(&o.rate, "rate", 0, "events a second")
	flags.DurationVar(&o.cfg.Every, "every", 0, "between two faults, on average")
	flags.BoolVar(&o.quiet, "quiet", false, "hurt nothing: then nothing may happen twice")
	flags.BoolVar(&o.poison, "poison", false, "hurt nothing, and let no event succeed: each must become a dead letter, and be done once replayed")
	flags.BoolVar(&o.cfg.Host, "host", false, "let `pelton up` keep the replicas, and hurt it, in place of sidecars and handlers")
	flags.StringVar(&o.cfg.Kill, "kill", "", "kill processes of one kind and hurt nothing else: "+strings.Join(kinds, ", "))
	flags.IntVar(&o.cfg.Batch, "batch", 0, "give handlers so many events in one call")
	flags.BoolVar(&o.cfg.Ordered, "ordered", false, "give the function an order per key, and want it kept")
	flags.StringVar(&o.planted, "planted", "", "build the programs with this bug in them, and run what shows it")
	flags.StringVar(&o.cfg.Dies, "dies", "", "build a sidecar that dies of itself now and then: "+faults.DiesAfterHandler+" or "+
		faults.DiesAfterRecord)
	flags.StringVar(&o.replay, "replay", "", "the run of this verdict file again: the same events, and the same faults at the same times")
	flags.StringVar(&o.verdict, "verdict", "", "write the verdict to this file, too")
	flags.BoolVar(&o.keep, "keep", false, "keep the folder of logs, ledgers and store")
}

// check refuses what cannot be.
func (o *options) check(given map[string]bool) error {
	if o.cfg.Dies != "" && o.cfg.Dies != faults.DiesAfterHandler && o.cfg.Dies != faults.DiesAfterRecord {
		return fmt.Errorf("-dies %q: want %s or %s", o.cfg.Dies, faults.DiesAfterHandler, faults.DiesAfterRecord)
	}
	if _, ok := profiles[o.profile]; !ok {
		return fmt.Errorf("-profile %q: want one of %s", o.profile, profileNames())
	}
	if o.cfg.Kill != "" && !slices.Contains(kinds, o.cfg.Kill) {
		return fmt.Errorf("-kill %q: want one of %s", o.cfg.Kill, strings.Join(kinds, ", "))
	}
	var problems []error
	for name, ok := range map[string]bool{
		"rate": o.rate > 0, "events": o.events > 0, "batch": o.cfg.Batch > 0, "duration": o.cfg.Duration > 0, "every": o.cfg.Every > 0,
	} {
		if given[name] && !ok {
			problems = append(problems, fmt.Errorf("-%s: want more than 0", name))
		}
	}
	for name, others := range map[string][]string{
		"events": {"duration"}, "quiet": {"every", "planted", "kill"},
		"ordered": {"batch"},
		"poison":  {"quiet", "every", "planted", "kill", "ordered", "replay", "dies"},
		"kill":    {"host"},
		"replay":  {"seed", "profile", "duration", "events", "rate", "every", "quiet", "host", "batch", "ordered", "planted", "dies", "kill"},
		"planted": {"profile", "duration", "events", "rate", "every", "host", "batch", "ordered", "dies", "kill"},
	} {
		for _, other := range others {
			if given[name] && given[other] {
				problems = append(problems, fmt.Errorf("-%s, -%s: want one of them: the first decides on the other", name, other))
			}
		}
	}
	return errors.Join(problems...)
}

// size makes the load and how often there are faults of the profile, and of what was given beside it.
func (o *options) size(given map[string]bool) {
	p := profiles[o.profile]
	o.rate, o.cfg.Every = cmp.Or(o.rate, p.rate), cmp.Or(o.cfg.Every, p.every)
	if !given["duration"] {
		o.events = cmp.Or(o.events, p.events)
	}
	if o.events > 0 {
		o.cfg.Duration = time.Duration(float64(o.events) / o.rate * float64(time.Second))
	}
	o.cfg.Duration = cmp.Or(o.cfg.Duration, p.duration)
	o.cfg.Load = faults.DefaultLoad(o.rate, o.cfg.Duration)
	if o.cfg.Ordered {
		o.cfg.Load = faults.OrderedLoad(o.rate, o.cfg.Duration)
	}
	if o.poison {
		o.cfg.Load = faults.PoisonLoad(o.rate, o.cfg.Duration)
	}
	if o.events > 0 {
		o.cfg.Load.Events = o.events // not one less for a rate that is no whole number
	}
	if o.quiet || o.poison {
		o.cfg.Every, o.cfg.Timeout, o.cfg.Concurrency = 0, quietTimeout, quietConcurrency
	}
	if o.poison {
		o.cfg.Patience = poisonPatience
	}
}

// special makes the run the one that shows a bug, or the one of a verdict.
func (o *options) special() error {
	if o.replay != "" {
		v, err := faults.ReadVerdict(o.replay)
		if err != nil {
			return fmt.Errorf("-replay: %w", err)
		}
		o.cfg = v.Again(o.cfg)
	}
	if o.planted == "" {
		return nil
	}
	bug, err := faults.FindBug(o.planted)
	if err != nil {
		return fmt.Errorf("-planted: %w", err)
	}
	o.cfg = bug.Apply(o.cfg)
	return nil
}

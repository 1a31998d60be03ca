package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/supervisor"
)

func someRun() ledger.Run {
	return ledger.Run{
		Namespace: "default", Function: "hello", EventID: "01a1fd68-dd42-7b11-82a2-1b254d192d86", Attempt: 2, MaxAttempts: 5,
		Outcome: ledger.OutcomeRetry, Reason: "timeout", Error: "no answer\nin 3s\x1b[31m", Started: time.Now(),
		Wait: 3 * time.Millisecond, Cold: 2 * time.Millisecond, Duration: time.Second, Next: time.Now().Add(11 * time.Second),
	}
}

func TestRunLine(t *testing.T) {
	t.Parallel()
	p := &runPrinter{}
	line := p.line(someRun())
	wants := []string{
		"hello", "…d192d86", "retry", "2/5", "wait 3.0ms", "cold 2.0ms", "run 1.0s", "again in 1",
		"timeout: no answer",
	}
	for _, want := range wants {
		if !strings.Contains(line, want) {
			t.Errorf("no %q in %q", want, line)
		}
	}
	if strings.ContainsAny(line, "\n\x1b") {
		t.Errorf("%q has control characters", line)
	}
	undecodable := someRun()
	undecodable.EventID, undecodable.Stream, undecodable.Sequence = "", "EVENTS", 7
	if line := p.line(undecodable); !strings.Contains(line, "  EVENTS-7  ") {
		t.Errorf("%q does not say where the message is", line)
	}
	filtered := someRun()
	filtered.Outcome = ledger.OutcomeFiltered
	if line := p.line(filtered); !strings.HasSuffix(strings.TrimSpace(line), "filtered") {
		t.Errorf("%q", line)
	}
}

func TestIDsAreShortenedToWhatDiffers(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"one": "one", "EVENTS-6": "EVENTS-6", "EVENTS-123456": "…123456", "a-very-long-id-without-a-number": "…number", "": "",
		"abcdefghijklmnop": "…jklmnop",
	} {
		if got := lastPart(in); got != want {
			t.Errorf("lastPart(%q) = %q, want %q", in, got, want)
		}
	}
}

// show runs a console over what put reports and returns what it has written.
func show(t *testing.T, put func(*console), view func(*bytes.Buffer) view) (*console, string) {
	t.Helper()
	var out bytes.Buffer
	c := newConsole(view(&out))
	put(c)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.run(ctx)
	return c, out.String()
}

func asText(out *bytes.Buffer) view { return newTextView(out, paint{}) }
func asJSON(out *bytes.Buffer) view { return jsonView{out} }

func doneRun() ledger.Run {
	r := someRun()
	r.Outcome, r.Reason, r.Error = ledger.OutcomeDone, "", ""
	return r
}

func TestManyRunsAreSummedUp(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]func(*bytes.Buffer) view{"text": asText, "json": asJSON} {
		c, out := show(t, func(c *console) {
			for range 1000 {
				c.Record(doneRun())
			}
		}, v)
		if n := strings.Count(out, "\n"); n <= runsASecond || n > 3*runsASecond {
			t.Errorf("%s: 1000 runs are %d lines", name, n)
		}
		if c.total(ledger.OutcomeDone) != 1000 {
			t.Errorf("%s: total %d", name, c.total(ledger.OutcomeDone))
		}
	}
}

func TestASumOfRunsSaysWhatTheyCameTo(t *testing.T) {
	t.Parallel()
	var one, failures tally
	one.addRun(doneRun())
	for range 3 {
		failures.addRun(someRun())
	}
	failures.lines = 7
	var out bytes.Buffer
	key := function.Key{Namespace: "default", Name: "hello"}
	asText(&out).summary(key, &one)
	asText(&out).summary(key, &failures)
	for _, want := range []string{
		"1 more run  done 1  run 1.0s on average, 1.0s at most\n", "3 more runs  retry 3  reasons:  timeout 3  run",
		"; 7 lines not shown",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
}

func TestANoisyFunctionHidesNothingOfAnother(t *testing.T) {
	t.Parallel()
	dead := someRun()
	dead.Function, dead.Outcome = "other", ledger.OutcomeDead
	_, out := show(t, func(c *console) {
		for range 10 * consoleQueue {
			c.output(supervisor.Output{Function: function.Key{Namespace: "default", Name: "hello"}, Line: "noise"})
			c.Record(doneRun())
		}
		for range 3 * runsASecond {
			c.Record(dead)
		}
	}, asText)
	if n := strings.Count(out, "other  "); n != 3*runsASecond {
		t.Errorf("%d dead letters of the other are shown, want %d", n, 3*runsASecond)
	}
	if n := strings.Count(out, "not shown"); n != 1 {
		t.Errorf("%d lines say what is not shown, want one: %q", n, out[max(0, len(out)-300):])
	}
}

func TestALateTerminalLosesNoCounts(t *testing.T) {
	t.Parallel()
	_, out := show(t, func(c *console) {
		for range consoleQueue {
			c.event(supervisor.Event{Kind: supervisor.EventRemoved})
		}
		c.event(supervisor.Event{Kind: supervisor.EventRemoved})
		c.Record(someRun())
	}, asText)
	if !strings.Contains(out, "1 line not shown") || !strings.Contains(out, "1 more run  retry 1  reasons:  timeout 1") {
		t.Errorf("%q", out[max(0, len(out)-300):])
	}
}

func TestEventsAreShown(t *testing.T) {
	t.Parallel()
	kinds := []supervisor.EventKind{
		supervisor.EventScaled, supervisor.EventExited, supervisor.EventStartFailed, supervisor.EventReloaded,
		supervisor.EventBuild, supervisor.EventBuilt, supervisor.EventSetupFailed, supervisor.EventRemoved,
	}
	for _, kind := range kinds {
		e := supervisor.Event{
			Kind: kind, Function: function.Key{Namespace: "default", Name: "hello"}, Text: "because", Lines: []string{"panic: x"},
		}
		if _, out := show(t, func(c *console) { c.event(e) }, asText); !strings.Contains(out, "hello") {
			t.Errorf("%s: %q", kind, out)
		}
		_, out := show(t, func(c *console) { c.event(e) }, asJSON)
		if !strings.Contains(out, string(kind)) || !strings.Contains(out, "panic: x") {
			t.Errorf("%s: %q", kind, out)
		}
	}
}

func TestDurationsAreShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", -time.Second: "0s", 5 * time.Nanosecond: "5ns", 250 * time.Microsecond: "250µs",
		3210 * time.Microsecond: "3.2ms",
		212 * time.Millisecond:  "212ms", 1500 * time.Millisecond: "1.5s", 90 * time.Second: "1m30s", 3 * time.Hour: "3h0m0s",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%d) = %q, want %q", d, got, want)
		}
	}
}

package controller_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
)

// TestUpdatesUnderLoad changes one thing of a Function after another while events come. Nothing is lost. Nothing is handled twice, but
// for what was in work or just done when the subjects of its trigger changed: the consumer that takes over begins where the other
// had settled everything.
func TestUpdatesUnderLoad(t *testing.T) {
	r := startScaling(t, "ctl-updates")
	for _, name := range []string{tellerImage, tellerImage + "2"} {
		if _, err := r.lab.LoadProgram(t.Context(), name, "internal/controller/testdata/teller"); err != nil {
			t.Fatal(err)
		}
	}
	l := newLedger(r)
	manifest := strings.Replace(l.teller(), "minReplicas: 0", "minReplicas: 1", 1)
	r.kubectl(manifest, "apply", "-f", "-")
	r.awaitCondition("teller", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	stop := l.publish(20, "events.a")
	l.awaitFlow("events.a", "one")
	subjects, version, known := []string{"events.a"}, "one", 0
	for _, step := range []struct {
		what, old, new string
		subject        string // that comes with it
		version        string
		replay         bool // events that were in work may come again
	}{
		{"image", tellerImage + `"`, tellerImage + `2"`, "", "", false},
		{"environment", "value: one", "value: two", "", "two", false},
		{"concurrency", "concurrency: 4", "concurrency: 16", "", "", false},
		{"one more subject", "[events.a]", "[events.a, events.b]", "events.b", "", true},
		{"one more trigger", "  handler:", "    - event: {subjects: [events.c]}\n  handler:", "events.c", "", false},
		{"a filter that all pass", "events.b]", `events.b], filter: 'data.id != ""'`, "", "", false},
		{"one subject less", "[events.a, events.b]", "[events.a]", "-events.b", "", true},
	} {
		if gone, ok := strings.CutPrefix(step.subject, "-"); ok {
			stop()
			l.awaitAll() // what waits for a subject that goes away would not be handled, and should not
			subjects = slices.DeleteFunc(subjects, func(s string) bool { return s == gone })
			stop = l.publish(20, subjects...)
		}
		began := time.Now()
		next := strings.Replace(manifest, step.old, step.new, 1)
		if next == manifest {
			t.Fatalf("%s changes nothing", step.what)
		}
		manifest, version = next, cmp.Or(step.version, version)
		r.kubectl(manifest, "apply", "-f", "-")
		r.awaitCondition("teller", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
		if step.subject != "" && !strings.HasPrefix(step.subject, "-") {
			stop()
			subjects = append(subjects, step.subject)
			stop = l.publish(20, subjects...)
		}
		for _, subject := range subjects {
			l.awaitFlow(subject, version)
		}
		r.kubectl("", "-n", r.namespace, "rollout", "status", "deployment/teller-pfn", "--timeout=3m")
		again := len(l.twice())
		t.Logf("%s: %v, no call for %v at most, %d events again", step.what, time.Since(began).Round(time.Millisecond), l.longest(began), again-known)
		if again > known && !step.replay {
			t.Errorf("%s: %d events were handled twice: %+v", step.what, again-known, l.twice()[:1])
		}
		known = again
	}
	stop()
	again := l.awaitAll()
	t.Logf("%d events, all handled, %d of them twice", len(l.published), len(again))
}

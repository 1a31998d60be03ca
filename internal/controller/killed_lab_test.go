package controller_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/testenv"
)

// killedAtOnce is how many controllers are killed at the same time, each with a namespace and a NATS of its own.
const killedAtOnce = 6

// backlog are the events that wait when the Function is deleted.
const backlog = 3

// phases are what happens to a Function. Each begins with a controller that is at rest.
var phases = []string{"apply", "update", "delete"}

// life is one Function from its first manifest to its deletion.
type life struct {
	onDelete function.OnDelete
	at       int  // the write of each phase that the controller is killed at; 0 is none
	after    bool // right after it, not right before
}

func (l life) name() string {
	when := "before"
	if l.after {
		when = "after"
	}
	return strings.ToLower(fmt.Sprintf("ctl-kill-%s-%d-%s", l.onDelete, l.at, when))
}

// outcome is what an undisturbed life comes to.
type outcome struct {
	after  []map[string]any // of each phase
	writes []int            // of each phase
}

// TestKilledAtEveryWrite kills the controller right before and right after each of its writes, to the apiserver and to NATS, while
// it makes, changes and deletes a Function. The next controller brings everything to what an undisturbed one does. Without
// PELTON_LAB_LONG it is every fourth write, and those of deletions only for one wish.
func TestKilledAtEveryWrite(t *testing.T) {
	testenv.NeedLab(t)
	wishes, every := []function.OnDelete{function.OnDeleteDeadLetter}, 4
	if os.Getenv("PELTON_LAB_LONG") != "" {
		wishes, every = append(wishes, function.OnDeleteKeep, function.OnDeleteDiscard), 1
	}
	var lives []life
	undisturbed := map[function.OnDelete]*outcome{}
	for i, wish := range wishes {
		t.Run("undisturbed-"+string(wish), func(t *testing.T) { undisturbed[wish] = live(t, life{onDelete: wish}, nil) })
		o := undisturbed[wish]
		if t.Failed() {
			return
		}
		if o == nil {
			continue // -run has left it out
		}
		most := slices.Max(o.writes)
		if i > 0 {
			most = o.writes[2] // what comes before is the same
		}
		for n := 1; n <= most; n += every {
			lives = append(lives, life{wish, n, false}, life{wish, n, true})
		}
	}
	waiting := make(chan life)
	var running sync.WaitGroup
	for range killedAtOnce {
		running.Go(func() {
			for l := range waiting {
				t.Run(l.name(), func(t *testing.T) { live(t, l, undisturbed[l.onDelete]) })
			}
		})
	}
	for _, l := range lives {
		waiting <- l
	}
	close(waiting)
	running.Wait()
}

// live goes through all phases. want is nil for the life that the others are compared with.
func live(t *testing.T, l life, want *outcome) *outcome {
	r := start(t, l.name(), withCredentials(24*time.Hour), func(r *rig) { r.fail, r.patience = newFailpoint(), 2*time.Minute })
	var o outcome
	for i, phase := range phases {
		r.fail.arm(l.at, l.after)
		began := time.Now()
		r.begin(phase, l.onDelete)
		if want == nil {
			o.after = append(o.after, r.awaitRest(phase))
			o.writes = append(o.writes, len(r.fail.written()))
			t.Logf("%s: %d writes:\n%s", phase, o.writes[i], strings.Join(r.fail.written(), "\n"))
			continue
		}
		if r.awaitKilled(want.after[i]) {
			r.stop()
			where := r.fail.String()
			r.fail = newFailpoint()
			r.startController()
			t.Logf("%s: killed %s", phase, where)
		}
		r.awaitSame(phase, want.after[i])
		r.fail.arm(0, false)
		t.Logf("%s: as undisturbed after %v", phase, time.Since(began).Round(time.Millisecond))
	}
	return &o
}

// begin does what a user does in a phase.
func (r *rig) begin(phase string, wish function.OnDelete) {
	r.t.Helper()
	// Held at no replica, so that what waits stays, and no pod has a say.
	manifest := strings.NewReplacer("{name: hello,", "{name: hello, annotations: {"+desired.HeldAnnotation+`: "0"},`,
		"    - event: {subjects: [events.hello]}\n", "    - event: {subjects: [events.hello]}\n    - schedule: {cron: \"0 4 1 1 *\"}\n",
	).Replace(hello(r.namespace, "  onDelete: "+string(wish)+"\n"))
	switch phase {
	case "apply":
		r.kubectl(manifest, "apply", "-f", "-")
	case "update":
		for range backlog {
			if _, err := r.js.Publish(r.t.Context(), "events.hello", []byte(`{"name":"you"}`)); err != nil {
				r.t.Fatal(err)
			}
		}
		r.kubectl(strings.NewReplacer("hello:dev", "hello:next", "concurrency: 16", "concurrency: 300", "0 4 1 1 *", "0 5 1 1 *",
			"[events.hello]}", "[events.hello, events.hi]}\n    - event: {subjects: [events.hey]}").Replace(manifest), "apply", "-f", "-")
	case "delete":
		r.kubectl("", "-n", r.namespace, "delete", "pfn", "hello", "--wait=false")
	}
}

// awaitRest waits until a controller that nobody disturbs is through: what is to be reached is, and nothing changes any more.
func (r *rig) awaitRest(phase string) (last map[string]any) {
	r.t.Helper()
	if phase != "delete" {
		r.awaitCondition("hello", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
		r.awaitCondition("hello", v1alpha1.ScalerReady, "True", v1alpha1.ReasonHeld)
	}
	since := time.Now()
	await(r.t, phase+" is through", func() error {
		now, err := r.snapshot(r.t.Context())
		if err != nil {
			return err
		}
		if diff := gocmp.Diff(last, now); diff != "" {
			last, since = now, time.Now()
			return fmt.Errorf("it is changing: %s", diff)
		}
		if phase == "delete" && now["Function hello"] != nil {
			return fmt.Errorf("the function is there")
		}
		if time.Since(since) < 5*time.Second {
			return fmt.Errorf("it has not rested long enough")
		}
		return nil
	})
	return last
}

// awaitKilled waits until the controller is killed, and reports whether it was. One that makes fewer writes is through before.
func (r *rig) awaitKilled(want map[string]any) (killed bool) {
	r.t.Helper()
	await(r.t, "killed or through", func() error {
		if killed = r.fail.isDead(); killed {
			return nil
		}
		return r.sameAs(want)
	})
	return killed
}

// awaitSame waits until everything is as the undisturbed controller has left it.
func (r *rig) awaitSame(phase string, want map[string]any) {
	r.t.Helper()
	await(r.t, phase+" has come to the same", func() error { return r.sameAs(want) })
}

func (r *rig) sameAs(want map[string]any) error {
	now, err := r.snapshot(r.t.Context())
	if err != nil {
		return err
	}
	if diff := gocmp.Diff(want, now); diff != "" {
		return fmt.Errorf("want (-), got (+):\n%s", diff)
	}
	return nil
}

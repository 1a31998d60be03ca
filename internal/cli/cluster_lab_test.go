package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/lab"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// labFunction is the hello example. It names no namespace.
func labFunction(image string, more string) string {
	return `
apiVersion: pelton.dev/v1alpha1
kind: Function
metadata: {name: hello}
spec:
  triggers:
    - event: {subjects: [events.hello]}
  handler: {protocol: stream, image: "` + image + `"}
  timeout: 10s
  scale: {maxReplicas: 3, cooldown: 5s}
` + more
}

// TestCluster goes the whole way of a function with the command line alone.
func TestCluster(t *testing.T) {
	r := startLab(t)
	file := filepath.Join(t.TempDir(), "function.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := func(args ...string) []string { return append(args, "-n", labNamespace) }
	hello := labFunction(lab.HelloImage, "")
	write(hello)

	t.Log("what is wrong is told, and nothing is applied")
	r.want(ExitInvalid, []string{"2 problems", "spec.timeout", "spec.handler.image"},
		strings.NewReplacer("timeout: 10s", "timeout: 0s", `, image: "`+lab.HelloImage+`"`, `, command: [hello]`).Replace(hello),
		in("apply", "-f", "-")...)
	r.want(ExitNotFound, []string{"there is no function cli-lab/hello"}, "", in("why", "hello")...)
	r.want(ExitFailed, []string{"+      - events.hello", "1 of 1 function would change"}, "", in("diff", "-f", file)...)

	t.Log("apply, and again")
	r.want(ExitOK, []string{"function cli-lab/hello created"}, "", in("apply", "-f", file, "--wait", labWaitTimeout)...)
	r.want(ExitOK, []string{"function cli-lab/hello unchanged"}, "", in("apply", "-f", file)...)
	r.want(ExitOK, []string{"nothing would change"}, "", in("diff", "-f", file)...)
	write(strings.Replace(hello, "timeout: 10s", "timeout: 11s", 1))
	r.want(ExitFailed, []string{"-  timeout: 10s", "+  timeout: 11s"}, "", in("diff", "-f", file)...)
	r.want(ExitOK, []string{"function cli-lab/hello configured"}, "", in("apply", "-f", file)...)
	r.want(ExitOK, []string{"function cli-lab/hello is ready"}, "", in("functions", "wait", "hello", labWaitTimeout)...)

	t.Log("at zero")
	r.want(ExitOK, []string{"cli-lab/hello", "Ready", "0-3", "events.hello"}, "", in("functions", "list")...)
	r.want(ExitOK, []string{"condition", "Ready True", "KEDA", lab.HelloImage}, "", in("functions", "describe", "hello")...)
	r.await([]string{"ok    scaler", "knows 1 ScaledObject", "nothing is wrong: nothing waits for it"}, in("why", "hello")...)

	t.Run("paused", func(t *testing.T) { r.of(t).paused(in, file) })
	t.Run("held", func(t *testing.T) { r.of(t).held(in) })
	t.Run("broken", func(t *testing.T) { r.of(t).broken(in) })
	t.Run("resting", func(t *testing.T) { r.of(t).resting(in) })

	t.Log("delete")
	r.want(ExitOK, []string{"function cli-lab/hello deleted"}, "", in("delete", "-f", file, "--wait", labWaitTimeout)...)
	r.want(ExitOK, []string{"function cli-lab/hello not there"}, "", in("delete", "-f", file)...)
	r.want(ExitNotFound, []string{"there is no function cli-lab/hello"}, "", in("delete", "hello")...)
	r.want(ExitOK, []string{"no functions in namespace cli-lab"}, "", in("functions", "list")...)
}

// paused sees events wait for a function that somebody has paused, through all that could end that by accident.
func (r *labRig) paused(in func(...string) []string, file string) {
	r.want(ExitOK, []string{"function cli-lab/hello paused"}, "", in("functions", "pause", "hello")...)
	isPaused := func() error {
		out := r.kubectl("", "-n", labNamespace, "get", "scaledobject", "hello-pfn", "-o",
			`jsonpath={.status.conditions[?(@.type=="Paused")].status} {.metadata.uid}`)
		if !strings.HasPrefix(out, "True ") {
			return errors.New("paused: " + out)
		}
		return nil
	}
	waittest.Eventually(r.t, isPaused)
	r.kubectl("", "-n", labNamespace, "delete", "scaledobject", "hello-pfn")
	waittest.Eventually(r.t, func() error {
		_, err := r.lab.Kubectl(r.t.Context(), "", "-n", labNamespace, "get", "scaledobject", "hello-pfn")
		return err
	})
	waittest.Eventually(r.t, isPaused)
	r.want(ExitOK, []string{"function cli-lab/hello unchanged"}, "", in("apply", "-f", file)...)
	for i := range 3 {
		if _, err := r.js.Publish(r.t.Context(), "events.hello", fmt.Appendf(nil, `{"name":"nr %d"}`, i)); err != nil {
			r.t.Fatal(err)
		}
	}
	r.await([]string{"hello: held: somebody has paused it", "3 due", "try: pelton functions resume cli-lab/hello"},
		in("why", "hello", "--nats", r.nats.URL())...)
	r.await([]string{"0-3, held at 0"}, in("functions", "list")...)

	said, end := r.background(in("logs", "-f", "hello")...)
	r.want(ExitOK, []string{"function cli-lab/hello resumed"}, "", in("functions", "resume", "hello")...)
	r.want(ExitOK, []string{"hello is idle"}, "", in("functions", "wait", "hello", "--for", "idle", labWaitTimeout)...)
	if o, err := stream.OwnedBy(r.t.Context(), r.js, function.Key{Namespace: labNamespace, Name: "hello"}); err != nil {
		r.t.Fatal(err)
	} else if due, inFlight, _ := o.Waiting(); due+inFlight > 0 {
		r.t.Errorf("it is idle, and %d events are due and %d in flight", due, inFlight)
	}
	waittest.Eventually(r.t, func() error {
		for i := range 3 {
			if want := fmt.Sprintf("/handler: hello, nr %d\n", i); strings.Count(said.String(), want) != 1 {
				return fmt.Errorf("no %q in\n%s", want, said)
			}
		}
		return nil
	})
	if code := end(); code != ExitInterrupted {
		r.t.Errorf("logs -f ends with %d", code)
	}
}

// held sees a function have replicas that nothing asks for.
func (r *labRig) held(in func(...string) []string) {
	r.want(ExitUsage, []string{"4 replicas are more than the 3"}, "", in("functions", "scale", "hello", "4")...)
	r.want(ExitOK, []string{"function cli-lab/hello held at 2 replicas"}, "", in("functions", "scale", "hello", "2")...)
	r.want(ExitOK, []string{"hello is ready"}, "", in("functions", "wait", "hello", labWaitTimeout)...)
	if n := r.kubectl("", "-n", labNamespace, "get", "deployment", "hello-pfn", "-o", "jsonpath={.spec.replicas}"); n != "2" {
		r.t.Errorf("it is ready as it is held, and %s replicas are wanted", n)
	}
	r.await([]string{"2 ready of 2 wanted", "it has 2 replicas because somebody holds it there"}, in("why", "hello")...)
	logs := r.want(ExitOK, nil, "", in("logs", "hello", "-c", "sidecar", "--tail", "2", "-o", "json")...)
	pods := map[string]int{}
	for line := range strings.Lines(logs.stdout) {
		var l logLine
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Time.IsZero() || l.Container != "sidecar" {
			r.t.Errorf("line %q: %v", line, err)
		}
		pods[l.Pod]++
	}
	if len(pods) != 2 {
		r.t.Errorf("lines of each pod: %v", pods)
	}
	r.want(ExitOK, []string{"function cli-lab/hello resumed"}, "", in("functions", "resume", "hello")...)
	r.want(ExitOK, []string{"hello is idle"}, "", in("functions", "wait", "hello", "--for", "idle", labWaitTimeout)...)
}

// broken asks why a function does not run that cannot: first one that has work, then some that somebody holds.
func (r *labRig) broken(in func(...string) []string) {
	// It is idle as soon as nothing waits, and a pod that is still there would handle what comes.
	r.await([]string{"0 ready, 0 starting, 0 on their way out"}, in("why", "hello")...)
	r.want(ExitOK, []string{"configured"}, labFunction("pelton.local/none:dev", ""), in("apply", "-f", "-")...)
	if _, err := r.js.Publish(r.t.Context(), "events.hello", []byte(`{"name":"nobody"}`)); err != nil {
		r.t.Fatal(err)
	}
	r.want(ExitOK, []string{"hello is active"}, "", in("functions", "wait", "hello", "--for", "active", labWaitTimeout)...)
	r.await([]string{
		"knows that there is work", "active, told", "1 due", "HPA", "of at most 3", "cli-lab/hello: pod: ", "cannot be pulled",
	}, in("why", "hello")...)
	for _, c := range []struct {
		name, manifest string
		want           []string
	}{
		{"no node", labFunction(lab.HelloImage, `  resources: {requests: {cpu: "900"}}`), []string{"no node takes it", "Insufficient cpu"}},
		{"crash", labFunction(lab.SidecarImage, ""), []string{"container handler", "exit code 1", "| pelton-sidecar:"}},
	} {
		r.t.Log(c.name)
		r.want(ExitOK, []string{"configured"}, c.manifest, in("apply", "-f", "-")...)
		r.want(ExitOK, []string{"held at 1 replica"}, "", in("functions", "scale", "hello", "1")...)
		r.await(append([]string{"FAIL  pod", "cli-lab/hello: pod: "}, c.want...), in("why", "hello")...)
	}
	r.want(ExitOK, []string{"resumed"}, "", in("functions", "resume", "hello")...)
}

// resting asks why of a function whose pods are ready, and whose calls all run out of time.
func (r *labRig) resting(in func(...string) []string) {
	const image = "pelton.local/cli-sleeper:test"
	if _, err := r.lab.LoadProgram(r.t.Context(), image, "internal/controller/testdata/sleeper"); err != nil {
		r.t.Fatal(err)
	}
	slow := strings.Replace(labFunction(image, "  onDelete: discard\n"), "timeout: 10s", "timeout: 1s", 1)
	r.want(ExitOK, []string{"configured"}, slow, in("apply", "-f", "-")...)
	for range 100 {
		if _, err := r.js.Publish(r.t.Context(), "events.hello", []byte(`{"millis": 60000}`)); err != nil {
			r.t.Fatal(err)
		}
	}
	r.await([]string{"FAIL  calls", "asks for no events: 20 events have failed", "mend what the handler calls"}, in("why", "hello")...)
}

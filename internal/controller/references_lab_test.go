package controller_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
)

// TestConfigRollsOut changes what a handler is given by reference: data of its config map and a restart that is asked for replace
// the pods, labels of the config map and other config maps do not.
func TestConfigRollsOut(t *testing.T) {
	r := start(t, "ctl-config")
	const config = `{apiVersion: v1, kind: ConfigMap, metadata: {name: %s, namespace: ctl-config, labels: {a: %s}}, data: {greeting: %s}}`
	apply := func(name, label, greeting string) {
		t.Helper()
		r.kubectl(fmt.Sprintf(config, name, label, greeting), "apply", "-f", "-")
	}
	r.kubectl(strings.Replace(hello(r.namespace, ""), `image: "pelton.local/hello:dev"}`, `image: "pelton.local/hello:dev",
    env: [{name: GREETING, valueFrom: {configMapKeyRef: {name: words, key: greeting, optional: true}}}],
    mounts: [{path: /etc/more, configMap: more, optional: true}]}`, 1), "apply", "-f", "-")
	r.awaitCondition("hello", v1alpha1.Ready, "True", v1alpha1.ReasonReady)
	seen := []string{r.podAnnotation("hello", desired.ConfigAnnotation)}
	another := func(why string) {
		t.Helper()
		await(t, why, func() error {
			now := r.podAnnotation("hello", desired.ConfigAnnotation)
			for _, before := range seen {
				if now == before {
					return fmt.Errorf("hash %s is as before", now)
				}
			}
			seen = append(seen, now)
			return nil
		})
	}
	apply("words", "a", "Hello")
	another("a hash of the config map that was made")
	apply("words", "b", "Hello") // neither this nor the next must show
	apply("others", "a", "Hello")
	apply("more", "a", "Hello")
	another("a hash of the config map that is mounted")
	apply("words", "b", "Hei")
	another("a hash of the changed config map")
	apply("words", "b", "Hello")
	await(t, "the hash of before", func() error {
		if now := r.podAnnotation("hello", desired.ConfigAnnotation); now != seen[2] {
			return fmt.Errorf("hash %s, want %s", now, seen[2])
		}
		return nil
	})
	r.kubectl("", "-n", r.namespace, "annotate", "pfn", "hello", desired.RestartedAnnotation+"=now")
	await(t, "a restart", func() error {
		if at := r.podAnnotation("hello", desired.RestartedAnnotation); at != "now" {
			return fmt.Errorf("%s is %q", desired.RestartedAnnotation, at)
		}
		return nil
	})
	if now := r.podAnnotation("hello", desired.ConfigAnnotation); now != seen[2] {
		t.Errorf("hash %s after the restart, want %s", now, seen[2])
	}
}

func (r *rig) podAnnotation(name, annotation string) string {
	r.t.Helper()
	o, err := r.get(deployments, name+"-pfn")
	if err != nil {
		r.t.Fatal(err)
	}
	text, _, _ := unstructured.NestedString(o.Object, "spec", "template", "metadata", "annotations", annotation)
	return text
}

// TestBeyondTheDefinition applies manifests that the resource definition cannot refuse and the validator does.
func TestBeyondTheDefinition(t *testing.T) {
	r := start(t, "ctl-beyond")
	event := "{event: {subjects: [events.hello]}}"
	for name, trigger := range map[string]string{
		"never":     `{schedule: {cron: "0 0 31 2 *"}}`,
		"backwards": `{schedule: {cron: "0 22-2 * * *"}}`,
		"zone":      `{schedule: {cron: "@daily", timeZone: Mars/Phobos}}`,
		"data":      `{schedule: {cron: "@daily", data: ` + strings.Repeat("[", 102) + strings.Repeat("]", 102) + `}}`,
		"overlap":   event + ", {event: {subjects: [events.>]}}",
		"filter":    `{event: {subjects: [events.hello], filter: "data. >"}}`,
	} {
		r.kubectl(strings.NewReplacer("{name: hello", "{name: "+name, "- event: {subjects: [events.hello]}", "["+trigger+"]").
			Replace(hello(r.namespace, "")), "apply", "-f", "-")
		t.Log(r.awaitCondition(name, v1alpha1.Accepted, "False", v1alpha1.ReasonInvalid))
	}
}

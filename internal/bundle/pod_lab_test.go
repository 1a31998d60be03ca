package bundle_test

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/functions/templates"
	"github.com/pelton-dev/pelton/internal/bundle"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/image"
	"github.com/pelton-dev/pelton/internal/lab"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/testenv"
	"github.com/pelton-dev/pelton/internal/waittest"
)

const namespace = "bundle-lab"

// inLab needs a lab (PELTON_LAB=1, task lab:up); without, the test is skipped. It makes the namespace anew.
func inLab(t *testing.T) *lab.Cluster {
	t.Helper()
	testenv.NeedLab(t)
	l, err := lab.Open("")
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, l, "", "delete", "namespace", namespace, "--ignore-not-found", "--wait=true")
	kubectl(t, l, `{apiVersion: v1, kind: Namespace, metadata: {name: `+namespace+
		`, labels: {pod-security.kubernetes.io/enforce: restricted}}}`, "apply", "-f", "-")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), waittest.Patience)
		defer cancel()
		if t.Failed() {
			out, _ := l.Kubectl(ctx, "", "-n", namespace, "describe", "pods")
			logs, _ := l.Kubectl(ctx, "", "-n", namespace, "logs", "fn", "--all-containers", "--tail=50")
			t.Logf("%s\n%s", out, logs)
		}
		if out, err := l.Kubectl(ctx, "", "delete", "namespace", namespace, "--wait=true"); err != nil {
			t.Errorf("delete namespace: %v: %s", err, out)
		}
	})
	return l
}

func kubectl(t *testing.T, l *lab.Cluster, stdin string, args ...string) {
	t.Helper()
	if out, err := l.Kubectl(t.Context(), stdin, args...); err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestPod loads the image of a shell function, sidecar and shell below it, and gives it an event in a pod of the lab, under
// the rules that pods of functions have.
func TestPod(t *testing.T) {
	l := inLab(t)
	fn := shellFunction(t)
	const reference = "pelton.local/bundle-lab:1"
	r, err := bundle.Build(t.Context(), fn, bundle.Config{Name: reference, Base: shellBase(t), Sidecar: realSidecar(t)})
	if err != nil {
		t.Fatal(err)
	}
	load(t, l, r)
	nats := natstest.Start(t, natstest.Listen(), func(o *server.Options) { o.Host = l.BridgeAddress() })
	kubectl(t, l, podOf(t, fn, reference, nats.URL()), "apply", "-f", "-")
	kubectl(t, l, "", "-n", namespace, "wait", "--for=condition=Ready", "pod/fn", "--timeout=3m")
	greet(t, nats.JetStream(t))
}

// TestProgramStarts starts a Go function's image twice: as the image says, and as the controller does, with handler.command.
func TestProgramStarts(t *testing.T) {
	l := inLab(t)
	const reference = "pelton.local/bundle-lab-go:1"
	r, err := bundle.Build(t.Context(), goFunction(t), bundle.Config{Name: reference})
	if err != nil {
		t.Fatal(err)
	}
	load(t, l, r)
	own := object{"name": "own", "image": reference, "imagePullPolicy": "Never", "securityContext": restricted()}
	told := maps.Clone(own)
	told["name"], told["command"] = "told", []string{"./bin/fn"}
	pod := object{
		"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": "fn", "namespace": namespace},
		"spec": object{
			"restartPolicy": "Never", "containers": []any{own, told},
			"securityContext": object{"runAsNonRoot": true, "seccompProfile": object{"type": "RuntimeDefault"}},
		},
	}
	kubectl(t, l, jsonOf(t, pod), "apply", "-f", "-")
	kubectl(t, l, "", "-n", namespace, "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/fn", "--timeout=3m")
	for _, container := range []string{"own", "told"} {
		out, err := l.Kubectl(t.Context(), "", "-n", namespace, "logs", "fn", "-c", container)
		if err != nil || string(out) != "made\n" {
			t.Errorf("%s says %q, %v", container, out, err)
		}
	}
}

// load loads the image, and removes it after the test.
func load(t *testing.T, l *lab.Cluster, r *image.Release) {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "fn.tar")
	if err := r.WriteFile(archive); err != nil {
		t.Fatal(err)
	}
	if err := l.LoadImage(t.Context(), archive); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := l.Ctr(context.Background(), "images", "remove", r.Name()); err != nil {
			t.Error(err)
		}
	})
}

// greet publishes an event and waits for the function's reply.
func greet(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	if _, err := js.Publish(t.Context(), "events.greeter", []byte(`{"name": "pod"}`)); err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), stream.EventsStream)
	if err != nil {
		t.Fatal(err)
	}
	replies, err := s.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{FilterSubjects: []string{"events.greeter.greeted"}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := replies.Next(jetstream.FetchMaxWait(waittest.Patience))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(m.Data()), "hello, pod") {
		t.Errorf("the reply is %s", m.Data())
	}
}

// shellFunction is what `pelton new greeter --lang shell` writes.
func shellFunction(t *testing.T) *function.Function {
	t.Helper()
	files, err := templates.Render(templates.Options{Lang: "shell", Name: "greeter"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range files {
		put(t, filepath.Join(dir, name), string(content))
	}
	fns, err := function.Load([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	return fns[0]
}

// shellBase has this machine's sh and sed with the libraries that they need.
func shellBase(t *testing.T) string {
	t.Helper()
	var files []image.File
	seen := map[string]bool{}
	add := func(path string) {
		if !seen[path] {
			seen[path] = true
			files = append(files, image.File{Path: path, Source: path, Mode: 0o755})
		}
	}
	for _, program := range []string{"/bin/sh", "/bin/sed"} {
		out, err := exec.Command("ldd", program).CombinedOutput()
		if err != nil {
			t.Fatalf("ldd %s: %v: %s", program, err, out)
		}
		add(program)
		for _, library := range regexp.MustCompile(`/\S+`).FindAllString(string(out), -1) {
			add(strings.TrimSuffix(library, ":"))
		}
	}
	return layout(t, image.Spec{Files: files, Env: []string{"PATH=/bin"}}, image.Here())
}

// realSidecar is the image of this repository's sidecar.
func realSidecar(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pelton-sidecar")
	cmd := exec.Command("go", append(append([]string{"build"}, bundle.GoFlags()...), "-o", file, "../../cmd/pelton-sidecar")...)
	cmd.Env = append(os.Environ(), bundle.GoEnv(image.Here())...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the sidecar: %v: %s", err, out)
	}
	return layout(t, image.Spec{
		Files: []image.File{
			{Path: "/app/pelton-sidecar", Source: file, Mode: 0o755}, {Path: "/tmp", Mode: os.ModeDir | os.ModeSticky | 0o777},
		},
		Entrypoint: []string{"/app/pelton-sidecar"}, User: "65532:65532",
	}, image.Here())
}

type object = map[string]any

// restricted is what the restricted Pod Security rules ask of a container.
func restricted() object {
	return object{
		"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": object{"drop": []string{"ALL"}},
	}
}

// podOf is a pod with the image alone: what it starts, where, and as whom is the image's own.
func podOf(t *testing.T, fn *function.Function, reference, natsURL string) string {
	t.Helper()
	return jsonOf(t, object{
		"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": "fn", "namespace": namespace},
		"spec": object{
			"terminationGracePeriodSeconds": 5, "automountServiceAccountToken": false,
			"securityContext": object{"runAsNonRoot": true, "seccompProfile": object{"type": "RuntimeDefault"}},
			"containers": []any{object{
				"name": "sidecar", "image": reference, "imagePullPolicy": "Never",
				"env": []any{
					object{"name": "NATS_URL", "value": natsURL},
					object{"name": "PELTON_MANIFEST", "value": jsonOf(t, fn)},
					object{"name": "PELTON_DRAIN_TIMEOUT", "value": (2 * time.Second).String()},
				},
				"readinessProbe":  object{"httpGet": object{"path": "/readyz", "port": 8081}, "periodSeconds": 1},
				"securityContext": restricted(),
				"volumeMounts":    []any{object{"name": "tmp", "mountPath": "/tmp"}},
			}},
			"volumes": []any{object{"name": "tmp", "emptyDir": object{}}},
		},
	})
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

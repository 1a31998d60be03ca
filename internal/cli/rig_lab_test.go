package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/lab"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/testenv"
	"github.com/pelton-dev/pelton/internal/waittest"
)

const (
	labNamespace   = "cli-lab"
	labScalerHost  = "pelton-scaler." + labNamespace + ".svc"
	labPatience    = 4 * time.Minute
	labWaitTimeout = "--timeout=4m"
)

// labRig is a namespace of the lab's cluster with a scaler in a pod, and a NATS and pelton-controller on this machine.
type labRig struct {
	t    *testing.T
	lab  *lab.Cluster
	js   jetstream.JetStream
	nats *natstest.Server
}

// startLab needs a lab (PELTON_LAB=1, task lab:up); without, the test is skipped.
func startLab(t *testing.T) *labRig {
	t.Helper()
	testenv.NeedLab(t)
	l, err := lab.Open("")
	if err != nil {
		t.Fatal(err)
	}
	r := &labRig{t: t, lab: l}
	r.nats = natstest.Start(t, natstest.Listen(), func(o *server.Options) { o.Host = l.BridgeAddress() })
	r.js = r.nats.JetStream(t)
	if err := catalog.Ensure(t.Context(), r.js, 1); err != nil {
		t.Fatal(err)
	}
	r.kubectl("", "apply", "--server-side", "--force-conflicts", "-f", "../../deploy/crd/functions.pelton.dev.yaml")
	r.kubectl("", "wait", "--for=condition=Established", "crd/functions.pelton.dev")
	r.kubectl("", "delete", "namespace", labNamespace, "--ignore-not-found", "--wait=true")
	r.kubectl(`{apiVersion: v1, kind: Namespace, metadata: {name: `+labNamespace+`}}`, "apply", "-f", "-")
	r.startController()
	t.Cleanup(r.close)
	r.startScaler()
	return r
}

// of is the rig for a part of the test.
func (r *labRig) of(t *testing.T) *labRig {
	part := *r
	part.t = t
	return &part
}

// close deletes the Functions while there is still a controller for their finalizers.
func (r *labRig) close() {
	ctx, cancel := context.WithTimeout(context.Background(), labPatience)
	defer cancel()
	if r.t.Failed() {
		for _, args := range [][]string{{"get", "pfn,deployment,pods,scaledobject,hpa", "-o", "wide"}, {"get", "pfn", "-o", "yaml"}} {
			out, err := r.lab.Kubectl(ctx, "", append([]string{"-n", labNamespace}, args...)...)
			r.t.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	for _, args := range [][]string{
		{"-n", labNamespace, "delete", "pfn", "--all", "--wait=true", "--timeout=2m"},
		{"delete", "namespace", labNamespace, "--wait=true", "--timeout=2m"},
	} {
		if out, err := r.lab.Kubectl(ctx, "", args...); err != nil {
			r.t.Errorf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	if err := r.lab.SetHost(ctx, labScalerHost); err != nil {
		r.t.Error(err)
	}
}

func (r *labRig) kubectl(stdin string, args ...string) string {
	r.t.Helper()
	out, err := r.lab.Kubectl(r.t.Context(), stdin, args...)
	if err != nil {
		r.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// startScaler runs the scaler as it is deployed, but for its certificates. KEDA runs on this machine and finds it by name.
func (r *labRig) startScaler() {
	r.t.Helper()
	labels := "{app.kubernetes.io/name: pelton-scaler}"
	r.kubectl(fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: pelton-scaler, namespace: %[1]s}
spec: {clusterIP: None, selector: %[2]s, ports: [{name: grpc, port: 9090}]}
---
apiVersion: v1
kind: Pod
metadata: {name: pelton-scaler, namespace: %[1]s, labels: %[2]s}
spec:
  dnsPolicy: Default
  containers:
    - name: scaler
      image: %[3]s
      imagePullPolicy: Never
      env:
        - {name: NATS_URL, value: %[4]q}
        - {name: PELTON_SCALER_ADDRESS, value: ":9090"}
        - {name: PELTON_INSECURE, value: "true"}
      ports: [{name: health, containerPort: 8081}]
      readinessProbe: {httpGet: {path: /readyz, port: health}, periodSeconds: 1}
`, labNamespace, labels, lab.ScalerImage, r.nats.URL()), "apply", "-f", "-")
	r.kubectl("", "-n", labNamespace, "wait", "--for=condition=Ready", "pod/pelton-scaler", labWaitTimeout)
	ip := strings.TrimSpace(r.kubectl("", "-n", labNamespace, "get", "pod", "pelton-scaler", "-o", "jsonpath={.status.podIP}"))
	if err := r.lab.SetHost(r.t.Context(), labScalerHost, ip); err != nil {
		r.t.Fatal(err)
	}
}

// startController runs the program itself, as a process that ends with the test.
func (r *labRig) startController() {
	r.t.Helper()
	program := filepath.Join(r.t.TempDir(), "pelton-controller")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/pelton-controller").CombinedOutput(); err != nil {
		r.t.Fatalf("build pelton-controller: %v\n%s", err, out)
	}
	var said bytes.Buffer
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(),
		"KUBECONFIG="+r.lab.Kubeconfig(), "PELTON_NAMESPACES="+labNamespace, "NATS_URL="+r.nats.URL(), "PELTON_HEALTH_ADDRESS=off",
		"PELTON_SIDECAR_IMAGE="+lab.SidecarImage, "PELTON_SCALER="+labScalerHost+":9090", "PELTON_POLLING_INTERVAL=5s",
		"PELTON_DELETE_TIMEOUT=30s")
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || r.t.Failed() {
			r.t.Logf("pelton-controller: %v\n%s", err, said.String())
		}
	})
}

// result is what one command line came to.
type result struct {
	code           int
	stdout, stderr string
}

// pelton runs one command line against the cluster of the lab.
func (r *labRig) pelton(stdin string, args ...string) result {
	return r.run(r.t.Context(), stdin, args...)
}

func (r *labRig) run(ctx context.Context, stdin string, args ...string) result {
	var out, errs bytes.Buffer
	code := Run(ctx, Config{
		Args: append(args, "--kubeconfig", r.lab.Kubeconfig()), Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs,
		Getenv: func(string) string { return "" },
	})
	return result{code, out.String(), errs.String()}
}

// want runs one command line and checks its exit code and what it says on either stream.
func (r *labRig) want(code int, texts []string, stdin string, args ...string) result {
	r.t.Helper()
	got := r.pelton(stdin, args...)
	if err := got.check(code, texts); err != nil {
		r.t.Fatalf("pelton %s: %v", strings.Join(args, " "), err)
	}
	r.t.Logf("pelton %s: exit %d\n%s%s", strings.Join(args, " "), got.code, got.stdout, got.stderr)
	return got
}

func (got *result) check(code int, texts []string) error {
	var errs []error
	if got.code != code {
		errs = append(errs, fmt.Errorf("exit %d, want %d", got.code, code))
	}
	for _, text := range texts {
		if !strings.Contains(got.stdout+got.stderr, text) {
			errs = append(errs, fmt.Errorf("no %q", text))
		}
	}
	if len(errs) > 0 {
		errs = append(errs, fmt.Errorf("stdout:\n%s\nstderr:\n%s", got.stdout, got.stderr))
	}
	return errors.Join(errs...)
}

// await runs one command line until it is as wanted.
func (r *labRig) await(texts []string, args ...string) result {
	r.t.Helper()
	var got result
	waittest.Eventually(r.t, func() error {
		got = r.pelton("", args...)
		return got.check(ExitOK, texts)
	})
	r.t.Logf("pelton %s\n%s%s", strings.Join(args, " "), got.stdout, got.stderr)
	return got
}

// lines collects what a command says that goes on.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// background runs a command line that goes on, and ends it as Ctrl-C does.
func (r *labRig) background(args ...string) (said *lines, end func() int) {
	r.t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	said = &lines{}
	code := make(chan int, 1)
	go func() {
		code <- Run(ctx, Config{
			Args: append(args, "--kubeconfig", r.lab.Kubeconfig()), Stdin: strings.NewReader(""), Stdout: said, Stderr: said,
			Getenv: func(string) string { return "" },
		})
	}()
	end = sync.OnceValue(func() int {
		cancel(&SignalError{syscall.SIGINT})
		return <-code
	})
	r.t.Cleanup(func() { end() })
	return said, end
}

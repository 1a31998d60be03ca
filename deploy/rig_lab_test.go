package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/lab"
	"github.com/pelton-dev/pelton/internal/testenv"
)

// What is installed in the lab has names of its own, next to what other tests install.
const (
	release    = "chart-lab"
	system     = "chart-lab-system"
	ordersHere = "chart-lab-orders"
	moreHere   = "chart-lab-more"
	fullname   = release + "-pelton"
	natsImage  = "pelton.local/nats:dev"
)

// patience is how long anything may take on a loaded machine.
const patience = 5 * time.Minute

// rig is the lab's cluster, and a helm that works on it.
type rig struct {
	t    *testing.T
	lab  *lab.Cluster
	bin  string // where programs are
	home string // of helm
}

// openLab needs a lab (PELTON_LAB=1, task lab:up); without, the test is skipped.
func openLab(t *testing.T) *rig {
	t.Helper()
	testenv.NeedLab(t)
	l, err := lab.Open("")
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, lab: l, bin: t.TempDir(), home: t.TempDir()}
}

// startRig compiles helm and pelton, too.
func startRig(t *testing.T) *rig {
	t.Helper()
	r := openLab(t)
	script, err := os.ReadFile("../.ci/chart")
	if err != nil {
		t.Fatal(err)
	}
	helm := regexp.MustCompile(`(?m)^helm=(\S+)$`).FindSubmatch(script)
	if helm == nil {
		t.Fatal(".ci/chart names no helm")
	}
	r.run("go", "install", string(helm[1]))
	r.run("go", "build", "-o", r.bin, "../cmd/pelton")
	return r
}

// run runs a program of this machine and returns what it says. Helm uses neither settings nor caches of the user's.
func (r *rig) run(name string, args ...string) string {
	r.t.Helper()
	out, err := r.try(r.t.Context(), name, args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *rig) try(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "GOBIN="+r.bin, "GOFLAGS=-buildvcs=false", "KUBECONFIG="+r.lab.Kubeconfig(),
		"HELM_CACHE_HOME="+r.home, "HELM_CONFIG_HOME="+r.home, "HELM_DATA_HOME="+r.home)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func (r *rig) helm(args ...string) string {
	r.t.Helper()
	return r.run(filepath.Join(r.bin, "helm"), append(args, "-n", system)...)
}

func (r *rig) kubectl(stdin string, args ...string) string {
	r.t.Helper()
	out, err := r.lab.Kubectl(r.t.Context(), stdin, args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// prepare loads the images, and begins with empty namespaces that let restricted pods alone in.
func (r *rig) prepare() {
	r.t.Helper()
	for name, pkg := range map[string]string{
		lab.ScalerImage: "cmd/pelton-scaler", lab.SidecarImage: "cmd/pelton-sidecar", lab.ControllerImage: "cmd/pelton-controller",
		natsImage: "github.com/nats-io/nats-server/v2",
	} {
		if _, err := r.lab.LoadProgram(r.t.Context(), name, pkg); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := r.lab.LoadOrders(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	// Other tests have Functions, too: the definition is everybody's.
	r.kubectl("", "apply", "--server-side", "--force-conflicts", "-f", "crd/functions.pelton.dev.yaml")
	r.kubectl("", "wait", "--for=condition=Established", "crd/functions.pelton.dev")
	r.clear(r.t.Context())
	for _, namespace := range []string{system, ordersHere, moreHere} {
		r.kubectl(`{apiVersion: v1, kind: Namespace, metadata: {name: `+namespace+
			`, labels: {pod-security.kubernetes.io/enforce: restricted}}}`, "apply", "-f", "-")
	}
	r.t.Cleanup(r.end)
}

// clear takes away what an earlier run may have left, also one that was killed.
func (r *rig) clear(ctx context.Context) {
	r.t.Helper()
	for _, namespace := range []string{ordersHere, moreHere} {
		names, _ := r.lab.Kubectl(ctx, "", "-n", namespace, "get", "pfn", "-o", "name")
		for name := range strings.FieldsSeq(string(names)) {
			_, _ = r.lab.Kubectl(ctx, "", "-n", namespace, "delete", name, "--wait=false")
			_, _ = r.lab.Kubectl(ctx, "", "-n", namespace, "patch", name, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
		}
	}
	_, uninstall := r.try(ctx, filepath.Join(r.bin, "helm"), "uninstall", release, "-n", system, "--ignore-not-found", "--wait")
	_, namespaces := r.lab.Kubectl(ctx, "", "delete", "namespace", system, ordersHere, moreHere, "--ignore-not-found", "--wait=true")
	host := r.lab.SetHost(ctx, fullname+"-scaler."+system+".svc")
	if err := errors.Join(uninstall, namespaces, host); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) end() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if r.t.Failed() {
		for _, args := range [][]string{
			{"get", "pfn,pods,deployment,scaledobject,hpa", "-o", "wide", "-A"},
			{"-n", system, "describe", "pods"},
			{"-n", ordersHere, "get", "pfn", "-o", "yaml"},
			{"-n", ordersHere, "get", "events", "--sort-by=.lastTimestamp"},
			{"-n", ordersHere, "logs", "-l", "pelton.dev/function", "--all-containers", "--tail=30", "--prefix"},
			{"-n", system, "logs", "deployment/" + fullname + "-controller", "--tail=50"},
			{"-n", system, "logs", "deployment/" + fullname + "-scaler", "--all-pods", "--tail=30", "--prefix"},
		} {
			out, err := r.lab.Kubectl(ctx, "", args...)
			r.t.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	r.clear(ctx)
}

// await polls until ok returns nil.
func (r *rig) await(what string, ok func() error) {
	r.t.Helper()
	began, tick, deadline := time.Now(), time.NewTicker(200*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			r.t.Logf("%8.2fs: %s", time.Since(began).Seconds(), what)
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("%s: not within %v: %v", what, patience, err)
		}
	}
}

// pods are the addresses of the pods that are ready and of those that are not, by a label.
func (r *rig) podAddresses(namespace, selector string) (ready []string, others int) {
	r.t.Helper()
	var list struct {
		Items []struct {
			Metadata struct{ DeletionTimestamp string }
			Status   struct {
				PodIP      string
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := json.Unmarshal([]byte(r.kubectl("", "-n", namespace, "get", "pods", "-l", selector, "-o", "json")), &list); err != nil {
		r.t.Fatal(err)
	}
	for _, p := range list.Items {
		is := false
		for _, c := range p.Status.Conditions {
			is = is || c.Type == "Ready" && c.Status == "True"
		}
		if is && p.Metadata.DeletionTimestamp == "" {
			ready = append(ready, p.Status.PodIP)
		} else {
			others++
		}
	}
	return ready, others
}

// connect returns the JetStream of a server.
func (r *rig) connect(url string) jetstream.JetStream {
	r.t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		r.t.Fatal(err)
	}
	return js
}

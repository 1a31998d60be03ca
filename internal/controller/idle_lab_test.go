package controller_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/lab"
)

// What a controller may use for a thousand Functions that have nothing to do, and for fewer.
const (
	mostIdleCPU    = 0.05 // of a core
	mostIdleMemory = 200  // MiB resident
)

// ticksPerSecond is the unit of CPU times in /proc.
const ticksPerSecond = 100

// TestManyIdle runs the controller as it is shipped with as many Functions as PELTON_LAB_IDLE says, 1000 is what it is meant for, and
// looks what it uses for a minute in which nothing happens. KEDA takes half a second for each Function to begin with.
func TestManyIdle(t *testing.T) {
	count, err := strconv.Atoi(os.Getenv("PELTON_LAB_IDLE"))
	if err != nil || count < 1 {
		t.Skip("takes long: set PELTON_LAB_IDLE to a number of Functions, such as 1000")
	}
	r := start(t, "ctl-idle")
	r.stop()
	t.Cleanup(r.dropAll) // once the program has ended
	pid := r.startProgram()
	var all strings.Builder
	for i := range count {
		text := strings.Replace(hello(r.namespace, ""), "{name: hello,", fmt.Sprintf("{name: hello-%d,", i), 1)
		all.WriteString(strings.ReplaceAll(text, "events.hello", fmt.Sprintf("events.hello.%d", i)) + "---\n")
	}
	began := time.Now()
	r.kubectl(all.String(), "apply", "--server-side", "-f", "-")
	r.kubectl("", "-n", r.namespace, "wait", "--for=condition=Ready", "pfn", "--all", "--timeout=30m")
	t.Logf("%d Functions ready within %v; the controller used %v of CPU", count, time.Since(began).Round(time.Second), cpuOf(t, pid))

	before, since := cpuOf(t, pid), time.Now()
	select {
	case <-time.After(time.Minute): //nolint:forbidigo // the minute that is measured
	case <-t.Context().Done():
	}
	cpu := (cpuOf(t, pid) - before).Seconds() / time.Since(since).Seconds()
	memory := residentOf(t, pid)
	t.Logf("%d idle Functions: %.2f %% of a core (%.0f %% of the limit), %d MiB resident (%d %% of the limit)", count, 100*cpu,
		100*cpu/mostIdleCPU, memory, 100*memory/mostIdleMemory)
	if cpu > mostIdleCPU || memory > mostIdleMemory {
		t.Errorf("want at most %.0f %% of a core and %d MiB", 100*mostIdleCPU, mostIdleMemory)
	}
}

// dropAll deletes the namespace and takes away the finalizers in it, so that it goes as fast as the apiserver deletes: one after
// another, as a user deletes them, a thousand Functions take KEDA and the garbage collector half an hour. NATS ends with the test,
// and what KEDA still does for ScaledObjects that it did not see go ends with its operator.
func (r *rig) dropAll() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	began := time.Now()
	if out, err := r.lab.Kubectl(ctx, "", "delete", "namespace", r.namespace, "--wait=false"); err != nil {
		r.t.Errorf("delete namespace: %v: %s", err, out)
	}
	unbounded := rest.CopyConfig(r.cluster)
	unbounded.QPS = -1
	c, err := client.New(unbounded, client.Options{})
	if err != nil {
		r.t.Error(err)
		return
	}
	namespace := &unstructured.Unstructured{}
	namespace.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"})
	for err == nil && ctx.Err() == nil {
		if err = r.dropFinalizers(ctx, c); err == nil {
			err = c.Get(ctx, client.ObjectKey{Name: r.namespace}, namespace)
		}
	}
	if !apierrors.IsNotFound(err) {
		r.t.Errorf("the namespace is not gone: %v", errors.Join(err, ctx.Err()))
	}
	if err := r.lab.Restart(ctx, lab.KEDAOperator); err != nil {
		r.t.Error(err)
	}
	r.t.Logf("the namespace is gone within %v", time.Since(began).Round(time.Second))
}

// dropFinalizers lets go of what is being deleted.
func (r *rig) dropFinalizers(ctx context.Context, c client.Client) error {
	for _, kind := range []schema.GroupVersionKind{v1alpha1.FunctionKind, scaledObjects} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		if err := c.List(ctx, list, client.InNamespace(r.namespace)); err != nil {
			return err
		}
		for i := range list.Items {
			o := &list.Items[i]
			if o.GetDeletionTimestamp() == nil || len(o.GetFinalizers()) == 0 {
				continue // KEDA would only put it back
			}
			free := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
			if err := client.IgnoreNotFound(c.Patch(ctx, o, free)); err != nil {
				return err
			}
		}
	}
	return nil
}

// startProgram runs cmd/pelton-controller until the test ends.
func (r *rig) startProgram() (pid int) {
	r.t.Helper()
	file := filepath.Join(r.t.TempDir(), "pelton-controller")
	if out, err := exec.CommandContext(r.t.Context(), "go", "build", "-buildvcs=false", "-o", file, "../../cmd/pelton-controller").CombinedOutput(); err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	var said bytes.Buffer
	cmd := exec.Command(file) //nolint:noctx // it is ended below, after the test's context
	cmd.Stderr = &said
	cmd.Env = []string{
		"KUBECONFIG=" + r.lab.Kubeconfig(), "PELTON_NAMESPACES=" + r.namespace, "NATS_URL=" + r.nats.URL(),
		"PELTON_SIDECAR_IMAGE=" + r.settings.SidecarImage, "PELTON_SCALER=" + r.settings.ScalerAddress, "PELTON_HEALTH_ADDRESS=off",
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || r.t.Failed() {
			r.t.Logf("pelton-controller: %v\n%s", err, said.String())
		}
	})
	return cmd.Process.Pid
}

// cpuOf is what a process has used so far.
func cpuOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		t.Fatal(err)
	}
	system, err := strconv.Atoi(fields[12])
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

// residentOf is how much memory a process has, in MiB.
func residentOf(t *testing.T, pid int) (mib int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatalf("read resident memory: %v", err)
	}
	return kib >> 10
}

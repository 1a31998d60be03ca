package deploy

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// apiServerPort is where the apiserver listens.
func (r *rig) apiServerPort() string {
	r.t.Helper()
	server, err := url.Parse(r.kubectl("", "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"))
	if err != nil {
		r.t.Fatal(err)
	}
	return server.Port()
}

// checkWhy: the command line explains a function of the cluster, the scaler's side too.
func (r *rig) checkWhy() {
	r.t.Helper()
	out := r.run(filepath.Join(r.bin, "pelton"), "why", "notify", "-n", ordersHere, "--kubeconfig", r.lab.Kubeconfig())
	r.t.Logf("pelton why notify:\n%s", out)
	for _, word := range []string{"notify", "ScaledObject", "scaler"} {
		if !strings.Contains(out, word) {
			r.t.Errorf("pelton why says nothing of %q", word)
		}
	}
}

// checkRights: the controller was never refused anything, and is refused what it must not do.
func (r *rig) checkRights() {
	r.t.Helper()
	for line := range strings.Lines(r.kubectl("", "-n", system, "logs", "deployment/"+fullname+"-controller", "--tail=-1")) {
		if strings.Contains(line, "forbidden") || strings.Contains(line, "cannot ") {
			r.t.Errorf("the controller was refused something: %s", line)
		}
	}
	for _, c := range []struct{ who, verb, what, namespace, want string }{
		{"controller", "patch", "functions", ordersHere, "yes"},
		{"controller", "create", "secrets", ordersHere, "yes"},
		{"controller", "get", "secrets", ordersHere, "no"},
		{"controller", "list", "secrets", ordersHere, "no"},
		{"controller", "watch", "secrets", ordersHere, "no"},
		{"controller", "delete", "secrets", ordersHere, "no"},
		{"controller", "create", "pods", ordersHere, "no"},
		{"controller", "create", "pods/exec", ordersHere, "no"},
		{"controller", "delete", "pods", ordersHere, "no"},
		{"controller", "create", "rolebindings", ordersHere, "no"},
		{"controller", "get", "secrets", system, "no"},
		{"controller", "get", "secrets", "keda", "no"},
		{"controller", "list", "functions", "default", "no"},
		{"controller", "create", "deployments", "default", "no"},
		{"scaler", "list", "pods", system, "no"},
		{"scaler", "get", "secrets", system, "no"},
	} {
		as := "--as=system:serviceaccount:" + system + ":" + fullname + "-" + c.who
		out, err := r.lab.Kubectl(r.t.Context(), "", "auth", "can-i", c.verb, c.what, "-n", c.namespace, as)
		if have := strings.TrimSpace(string(out)); have != c.want { // no is also an error
			r.t.Errorf("may the %s %s %s in %s? %s (%v), want %s", c.who, c.verb, c.what, c.namespace, have, err, c.want)
		}
	}
}

// uninstall does what the page says, and looks for what is left.
func (r *rig) uninstall(js jetstream.JetStream) {
	r.t.Helper()
	const ofRelease, ofFunctions = "app.kubernetes.io/instance=" + release, "pelton.dev/function"
	for _, selector := range []string{ofRelease, ofFunctions} {
		if r.nothing(selector) == nil {
			r.t.Errorf("what there is with the label %s is not found", selector)
		}
	}
	r.kubectl("", "-n", ordersHere, "delete", "pfn", "--all", "--timeout=5m")
	for _, name := range []string{"validate", "charge", "notify"} {
		owned, err := stream.OwnedBy(r.t.Context(), js, function.Key{Namespace: ordersHere, Name: name})
		if err != nil || len(owned.Consumers) > 0 {
			r.t.Errorf("NATS has %d consumers of %s: %v", len(owned.Consumers), name, err)
		}
	}
	r.t.Log(r.helm("uninstall", release, "--wait"))
	for _, selector := range []string{ofRelease, ofFunctions} {
		r.await("nothing with the label "+selector, func() error { return r.nothing(selector) })
	}
}

// nothing returns what there is in our namespaces and in the whole cluster with a label.
func (r *rig) nothing(selector string) error {
	r.t.Helper()
	kinds := strings.Fields(r.kubectl("", "api-resources", "--verbs=list", "-o", "name"))
	listed := kinds[:0]
	for _, kind := range kinds {
		if !strings.HasSuffix(kind, ".metrics.k8s.io") { // numbers, not objects
			listed = append(listed, kind)
		}
	}
	out := r.kubectl("", "get", strings.Join(listed, ","), "--all-namespaces", "-l", selector, "--ignore-not-found", "--no-headers",
		"-o", "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name")
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		ours := len(fields) == 3 && (fields[1] == ordersHere || fields[1] == system || fields[1] == "keda" || fields[1] == "<none>")
		if ours || len(fields) > 0 && len(fields) != 3 {
			return fmt.Errorf("there is still %s", out)
		}
	}
	return nil
}

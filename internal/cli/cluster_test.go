package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const oneFunction = `apiVersion: pelton.dev/v1alpha1
kind: Function
metadata: {name: hello}
spec:
  triggers: [{event: {subjects: [events.hello]}}]
  handler: {protocol: stream, image: "example.com/hello:1"}
  scale: {minReplicas: 0, maxReplicas: 3}
`

// apiserver plays the errors of one.
func apiserver(t *testing.T, handler http.HandlerFunc) (kubeconfig string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return kubeconfigOf(t, server.URL)
}

func kubeconfigOf(t *testing.T, address string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := `{apiVersion: v1, kind: Config, current-context: here, clusters: [{name: c, cluster: {server: "` + address + `"}}],
contexts: [{name: here, context: {cluster: c, user: u, namespace: shop}}], users: [{name: u, user: {token: t}}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// refusing answers with a Status, as an apiserver does.
func refusing(code int, reason metav1.StatusReason, message, name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason,
			Message: message, Details: &metav1.StatusDetails{Name: name, Group: "pelton.dev", Kind: "functions"},
		})
	}
}

// runWith runs a command line with an environment of its own.
func runWith(t *testing.T, env map[string]string, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(t.Context(), Config{
		Args: args, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, Getenv: func(name string) string { return env[name] },
	})
	return code, out.String(), errs.String()
}

// TestClustersThatRefuse has every error of a cluster say what to do, with the exit code of its kind.
func TestClustersThatRefuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		code    int
		want    []string
	}{
		"forbidden": {
			refusing(403, metav1.StatusReasonForbidden, `User "eve" cannot list resource "functions" in the namespace "shop"`, ""), ExitFailed,
			[]string{"cannot list functions: not allowed", `User "eve" cannot list`, "try: ask for that right", "functions.pelton.dev"},
		},
		"unauthorized": {
			refusing(401, metav1.StatusReasonUnauthorized, "Unauthorized", ""), ExitUnreachable,
			[]string{"refuses the credentials", "try: renew those of context here"},
		},
		"no definition": {
			func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "404 page not found", http.StatusNotFound) }, ExitNotFound,
			[]string{"does not know such resources", "try: install Pelton there"},
		},
		"broken": {
			refusing(500, metav1.StatusReasonInternalError, "etcd is on fire", ""), ExitFailed, []string{"list functions: etcd is on fire"},
		},
		"no apiserver": {
			func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "welcome to nginx") }, ExitFailed,
			[]string{"list functions"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errs := runWith(t, nil, "", "functions", "list", "--kubeconfig", apiserver(t, c.handler))
			if code != c.code || out != "" {
				t.Errorf("exit %d, want %d; stdout %q", code, c.code, out)
			}
			for _, want := range c.want {
				if !strings.Contains(errs, want) {
					t.Errorf("no %q in\n%s", want, errs)
				}
			}
		})
	}
}

// TestNoCluster finds none, in each of the ways there are.
func TestNoCluster(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	gone := kubeconfigOf(t, "http://127.0.0.1:1")
	for name, c := range map[string]struct {
		env  map[string]string
		args []string
		code int
		want []string
	}{
		"none":          {nil, []string{"apply", "-f", "-"}, ExitUsage, []string{"which cluster?", "no cluster is configured", "try: --kubeconfig"}},
		"empty home":    {map[string]string{"HOME": home}, []string{"apply", "-f", "-"}, ExitUsage, []string{home + "/.kube/config"}},
		"no such file":  {nil, []string{"apply", "-f", "-", "--kubeconfig", home + "/no"}, ExitFailed, []string{"there is no file " + home + "/no"}},
		"unreachable":   {nil, []string{"apply", "-f", "-", "--kubeconfig", gone}, ExitUnreachable, []string{"cannot reach the cluster at http://127.0.0.1:1"}},
		"of the env":    {map[string]string{"KUBECONFIG": gone}, []string{"functions", "list"}, ExitUnreachable, []string{"cluster: context here, http://127.0.0.1:1"}},
		"no manifest":   {nil, []string{"apply"}, ExitUsage, []string{"no manifest is named", "try: -f FILE"}},
		"two at once":   {nil, []string{"delete", "hello", "-f", "-"}, ExitUsage, []string{"not both"}},
		"nothing":       {nil, []string{"delete"}, ExitUsage, []string{"want names of functions, or manifests"}},
		"no number":     {nil, []string{"functions", "scale", "hello", "many"}, ExitUsage, []string{`"many" is no number of replicas`}},
		"no state":      {nil, []string{"functions", "wait", "hello", "--for", "ever"}, ExitUsage, []string{"--for ready"}},
		"no container":  {nil, []string{"logs", "hello", "-c", "init"}, ExitUsage, []string{"--container handler"}},
		"stdin and":     {nil, []string{"apply", "-f", "-", "-f", "a.yaml"}, ExitUsage, []string{"-f - alone"}},
		"two namespace": {nil, []string{"logs", "a/b", "-n", "c"}, ExitUsage, []string{"namespace is given twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errs := runWith(t, c.env, oneFunction, c.args...)
			if code != c.code || out != "" {
				t.Errorf("exit %d, want %d; stdout %q, stderr\n%s", code, c.code, out, errs)
			}
			for _, want := range c.want {
				if !strings.Contains(errs, want) {
					t.Errorf("no %q in\n%s", want, errs)
				}
			}
		})
	}
}

// TestApplySendsWhatIsWritten sees what an apiserver is sent: no default that nobody has written, every zero that somebody has,
// and nothing at all of a set with one bad manifest.
func TestApplySendsWhatIsWritten(t *testing.T) {
	t.Parallel()
	var sent []string
	kubeconfig := apiserver(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method == http.MethodGet {
			refusing(404, metav1.StatusReasonNotFound, `functions "hello" not found`, "hello")(w, r)
			return
		}
		sent = append(sent, fmt.Sprintf("%s %s\n%s", r.Method, r.URL, body))
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"apiVersion":"pelton.dev/v1alpha1","kind":"Function","metadata":{"name":"hello","uid":"u","namespace":"shop"}}`)
	})
	bad := oneFunction + "---\n" + strings.NewReplacer("name: hello", "name: bad", "maxReplicas: 3", "maxReplicas: -3").Replace(oneFunction)
	if code, _, errs := runWith(t, nil, bad, "apply", "-f", "-", "--kubeconfig", kubeconfig); code != ExitInvalid || len(sent) > 0 {
		t.Fatalf("exit %d, sent %v, stderr %s", code, sent, errs)
	}
	code, out, errs := runWith(t, nil, oneFunction, "apply", "-f", "-", "--kubeconfig", kubeconfig)
	if code != ExitOK || out != "function shop/hello created\n" || len(sent) != 1 {
		t.Fatalf("exit %d, stdout %q, stderr %s, sent %v", code, out, errs, sent)
	}
	address, body, _ := strings.Cut(sent[0], "\n")
	if want := "PATCH /apis/pelton.dev/v1alpha1/namespaces/shop/functions/hello?fieldManager=pelton-cli&fieldValidation=Strict&force=false"; address != want {
		t.Errorf("%s\nwant %s", address, want)
	}
	want := `{"apiVersion":"pelton.dev/v1alpha1","kind":"Function","metadata":{"name":"hello","namespace":"shop"},"spec":{` +
		`"handler":{"image":"example.com/hello:1","protocol":"stream"},"scale":{"maxReplicas":3,"minReplicas":0},` +
		`"triggers":[{"event":{"subjects":["events.hello"]}}]}}`
	if body != want {
		t.Errorf("sent %s\nwant %s", body, want)
	}
}

// TestNamespaces are those of the flag and of the context only for manifests that name none.
func TestNamespacesOfManifests(t *testing.T) {
	t.Parallel()
	own := strings.Replace(oneFunction, "{name: hello}", "{name: hello, namespace: own}", 1)
	for name, c := range map[string]struct {
		text string
		args []string
		code int
		want string
	}{
		"default":  {oneFunction, nil, ExitOK, "namespace: default"},
		"flag":     {oneFunction, []string{"-n", "shop"}, ExitOK, "namespace: shop"},
		"own":      {own, nil, ExitOK, "namespace: own"},
		"the same": {own, []string{"-n", "own"}, ExitOK, "namespace: own"},
		"conflict": {own, []string{"-n", "shop"}, ExitInvalid, "-:1: function hello is in namespace own, and --namespace says shop"},
		"twice":    {own + "---\n" + oneFunction, []string{"-n", "own"}, ExitInvalid, "function own/hello is in -:1 and in -:9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errs := runWith(t, nil, c.text, append([]string{"render", "-f", "-"}, c.args...)...)
			if code != c.code || !strings.Contains(out+errs, c.want) {
				t.Errorf("exit %d, no %q in\n%s%s", code, c.want, out, errs)
			}
		})
	}
}

// TestRender prints what the controller makes, and takes its settings.
func TestRender(t *testing.T) {
	t.Parallel()
	code, out, errs := runWith(t, nil, oneFunction, "render", "-f", "-", "--sidecar-image", "example.com/sidecar:2", "--scaler-auth", "",
		"--pull-policy", "Never")
	if code != ExitOK || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{
		"kind: ServiceAccount", "kind: ConfigMap", "kind: NetworkPolicy", "kind: Deployment", "kind: ScaledObject", "image: example.com/sidecar:2",
		"imagePullPolicy: Never", "nats://nats.pelton-system.svc:4222", "scalerAddress: pelton-scaler.pelton-system.svc:9090",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "authenticationRef") || strings.Count(out, "---\n") != 5 {
		t.Errorf("want five objects without a reference:\n%s", out)
	}
	var list struct{ Items []map[string]any }
	_, out, _ = runWith(t, nil, oneFunction, "render", "-f", "-", "-o", "json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Items) != 5 {
		t.Errorf("%d items, %v", len(list.Items), err)
	}
	for _, args := range [][]string{{"--pull-policy", "Sometimes"}, {"--sidecar-nats", ""}, {"--scaler-auth", "Secret/a"}, {"--sidecar-image", ""}} {
		if code, _, errs := runWith(t, nil, oneFunction, append([]string{"render", "-f", "-"}, args...)...); code != ExitUsage {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
}

package cli

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestLeaving has a function that is being deleted say so, to whoever lists it, waits for it or waits for its end.
func TestLeaving(t *testing.T) {
	t.Parallel()
	const waits = "NATS is away, and may hold something for it"
	object := `{"apiVersion":"pelton.dev/v1alpha1","kind":"Function","metadata":{"name":"hello","namespace":"shop","uid":"u","generation":2,` +
		`"deletionTimestamp":"2026-05-04T12:00:00Z"},"status":{"observedGeneration":2,"conditions":[{"type":"Ready","status":"False",` +
		`"reason":"Deleting","message":"` + waits + `"}]}}`
	kubeconfig := apiserver(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/functions"):
			fmt.Fprintf(w, `{"apiVersion":"pelton.dev/v1alpha1","kind":"FunctionList","items":[%s]}`, object)
		case strings.HasSuffix(r.URL.Path, "/deployments"):
			fmt.Fprint(w, `{"apiVersion":"apps/v1","kind":"DeploymentList","items":[]}`)
		default:
			fmt.Fprint(w, object)
		}
	})
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"functions", "list"}, ExitOK, "note: shop/hello is being deleted: " + waits},
		{[]string{"functions", "list"}, ExitOK, "Deleting"},
		{[]string{"functions", "describe", "hello"}, ExitOK, waits},
		{[]string{"functions", "wait", "hello"}, ExitFailed, "shop/hello is being deleted, and will not be ready\n  cause: " + waits},
		{[]string{"delete", "hello", "--wait", "--timeout", "1s"}, ExitTimeout, "shop/hello is not gone after 1s: " + waits},
		{[]string{"why", "hello"}, ExitOK, "manifest: its deletion began"},
	} {
		code, out, errs := runWith(t, nil, "", append(c.args, "--kubeconfig", kubeconfig)...)
		if code != c.code || !strings.Contains(out+errs, c.want) {
			t.Errorf("%v: exit %d, want %d; no %q in\n%s%s", c.args, code, c.code, c.want, out, errs)
		}
	}
}

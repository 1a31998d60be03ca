package deploy

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/lab"
)

const (
	bridgeImage = "pelton.local/pelton-bridge:dev"
	bridgeToken = "a-token-of-the-lab-alone"
)

// TestBridge installs the chart with its front door, and calls a function at zero through it: with and without a token, with a body too
// large for a message, and with an answer that is asked for later, of the other replica.
func TestBridge(t *testing.T) {
	r := startRig(t)
	r.prepare()
	if _, err := r.lab.LoadProgram(t.Context(), bridgeImage, "cmd/pelton-bridge"); err != nil {
		t.Fatal(err)
	}
	r.kubectl("", "-n", system, "create", "secret", "generic", "callers", "--from-literal=tokens=tester "+bridgeToken)
	r.install("--set", "namespaces={"+ordersHere+"},bridge.enabled=true,bridge.tokensSecret=callers")
	r.kubectl(`
apiVersion: pelton.dev/v1alpha1
kind: Function
metadata: {name: greet, namespace: `+ordersHere+`}
spec:
  triggers:
    - http: {path: /greet, mode: sync, maxBody: 4Mi}
  handler: {protocol: cloudevents, listen: unix, image: "`+lab.HelloImage+`"}
  timeout: 2m
  scale: {minReplicas: 0, maxReplicas: 2, cooldown: 5s}
`, "apply", "-f", "-")
	r.kubectl("", "-n", ordersHere, "wait", "pfn", "--all", "--for=condition=Ready", "--timeout=5m")
	r.awaitZero()
	doors := r.bridges()

	r.await("a call without a token is refused", func() error {
		return r.wants(doors[0], "POST", "/greet", "", `{"name":"you"}`, http.StatusUnauthorized, "unauthorized")
	})
	r.await("a call from zero is answered", func() error {
		return r.wants(doors[0], "POST", "/greet", bridgeToken, `{"name":"you"}`, http.StatusOK, `hello, you`)
	})
	r.await("the handler's refusal is the answer", func() error {
		return r.wants(doors[1], "POST", "/greet", bridgeToken, `{}`, http.StatusUnprocessableEntity, "want data such as")
	})
	pad := strings.Repeat("x", 2<<20)
	r.await("a body of 2 MiB is read by the handler", func() error {
		return r.wants(doors[1], "POST", "/greet", bridgeToken, `{"pad":"`+pad+`","name":"large"}`, http.StatusOK, `hello, large`)
	})
	r.awaitZero()
	address := r.callLater(doors[0], `{"name":"later"}`)
	r.await("the other replica tells what became of it", func() error {
		return r.wants(doors[1], "GET", address+"?wait=30s", bridgeToken, "", http.StatusOK, `"state":"done"`)
	})
	if err := r.wants(doors[1], "GET", address+"/result", bridgeToken, "", http.StatusOK, `hello, later`); err != nil {
		t.Error(err)
	}
	r.kubectl("", "-n", ordersHere, "delete", "pfn", "--all", "--timeout=5m")
	r.await("its paths are free again", func() error {
		return r.wants(doors[0], "POST", "/greet", bridgeToken, `{"name":"you"}`, http.StatusNotFound, "")
	})
}

// bridges are the addresses of both replicas.
func (r *rig) bridges() []string {
	r.t.Helper()
	r.kubectl("", "-n", system, "rollout", "status", "deployment/"+fullname+"-bridge", "--timeout=5m")
	ready, _ := r.podAddresses(system, "app.kubernetes.io/name=pelton-bridge")
	if len(ready) != 2 {
		r.t.Fatalf("%d replicas of the bridge are ready, want 2", len(ready))
	}
	return ready
}

// callLater asks for a call whose answer is fetched later, and returns where.
func (r *rig) callLater(door, body string) (address string) {
	r.t.Helper()
	answer, text, err := r.ask(door, "POST", "/greet", bridgeToken, body, "Prefer", "respond-async")
	if err != nil {
		r.t.Fatal(err)
	}
	var said struct{ State string }
	if err := json.Unmarshal([]byte(text), &said); err != nil || answer.StatusCode != http.StatusAccepted || said.State != "queued" {
		r.t.Fatalf("a call for later: %d %s", answer.StatusCode, text)
	}
	return answer.Header.Get("Location")
}

// wants makes a request, and says what is wrong with the answer.
func (r *rig) wants(door, method, path, token, body string, status int, says string) error {
	answer, text, err := r.ask(door, method, path, token, body)
	if err != nil {
		return err
	}
	if answer.StatusCode != status || !strings.Contains(text, says) {
		return fmt.Errorf("%s %s: %d %.300s, want %d and %q", method, path, answer.StatusCode, text, status, says)
	}
	return nil
}

func (r *rig) ask(door, method, path, token, body string, header ...string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+door+":8080"+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	answer, err := (&http.Client{Timeout: 3 * time.Minute}).Do(req)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer, string(text), err
}

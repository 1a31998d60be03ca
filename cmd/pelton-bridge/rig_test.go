package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelton-dev/pelton/internal/waittest"
)

// process is a running bridge.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	log    string        // file with its stderr
	done   chan struct{} // closed when it has ended
	scheme string
	client *http.Client
}

// start starts a bridge with that environment, and ends it with the test.
func start(t *testing.T, env ...string) *process {
	t.Helper()
	p := &process{
		t: t, log: filepath.Join(t.TempDir(), "log"), done: make(chan struct{}), scheme: "http://",
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"), roleEnv+"="+roleBridge,
		"PELTON_HEALTH_ADDRESS=127.0.0.1:0", "PELTON_HTTP_ADDRESS=127.0.0.1:0", "PELTON_STOP_DELAY=1ms")
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.finish)
	return p
}

func (p *process) finish() {
	_ = p.cmd.Process.Kill()
	<-p.done
	if p.t.Failed() {
		p.t.Logf("the bridge wrote:\n%s", p.output())
	}
}

func (p *process) output() string {
	data, _ := os.ReadFile(p.log)
	return string(data)
}

// end waits for the end of the process and returns its exit code, -1 after a signal.
func (p *process) end() int {
	p.t.Helper()
	waittest.Receive(p.t, p.done)
	return p.cmd.ProcessState.ExitCode()
}

// address is where it listens, from its log.
func (p *process) address(message string) string {
	p.t.Helper()
	address := ""
	waittest.Eventually(p.t, func() error {
		for line := range strings.Lines(p.output()) {
			var entry struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == message {
				address = entry.Address
				return nil
			}
		}
		select {
		case <-p.done:
			p.t.Fatalf("it has ended and never said %q", message)
		default:
		}
		return fmt.Errorf("it does not say %q", message)
	})
	return address
}

// health asks for probes or metrics.
func (p *process) health(path string) (int, string) {
	p.t.Helper()
	return p.do(http.MethodGet, "http://"+p.address("probes are answered")+path)
}

func (p *process) awaitReady() {
	p.t.Helper()
	waittest.Eventually(p.t, func() error {
		if status, text := p.health("/readyz"); status != http.StatusOK {
			return fmt.Errorf("not ready: %d %s", status, text)
		}
		return nil
	})
}

// post sends a body to a path, as the owner of a token.
func (p *process) post(path, token string, header ...string) (int, string) {
	p.t.Helper()
	return p.do(http.MethodPost, p.scheme+p.address("HTTP is served")+path, append(header, "Authorization", "Bearer "+token)...)
}

func (p *process) do(method, url string, header ...string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, url, strings.NewReader("1"))
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := p.client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, strings.TrimSpace(string(body))
}

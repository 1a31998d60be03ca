package examples_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/bridge"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/sidecar"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/testenv"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// TestTasksAnswerTheirCallers sends requests to the Flask example by way of its queue. The first is there before it runs.
func TestTasksAnswerTheirCallers(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "gunicorn")
	check := exec.CommandContext(t.Context(), "gunicorn", "--check-config", "app:app") // the Python of gunicorn is the one that counts
	check.Dir, check.Env = "tasks-flask", append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	if out, err := check.CombinedOutput(); err != nil {
		testenv.Lacks(t, fmt.Sprintf("gunicorn finds no Flask (apt-get install python3-flask): %v\n%s", err, out))
	}
	fn := load(t)["tasks-flask"]
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	if _, err := stream.Ensure(t.Context(), js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.EnsureFunction(t.Context(), js, fn); err != nil {
		t.Fatal(err)
	}
	url := tasksBridge(t, srv, fn)
	first := make(chan string, 1)
	go func() { first <- ask(t.Context(), http.MethodPost, url+"/tasks", `{"title":"milk"}`) }()
	runTasks(t, srv, fn)
	if got, want := waittest.Receive(t, first), `201 {"id":1,"title":"milk"}`; got != want {
		t.Errorf("the first answer is %s, want %s", got, want)
	}
	for _, step := range []struct{ method, path, body, want string }{
		{http.MethodGet, "/tasks", "", `200 [{"id":1,"title":"milk"}]`},
		{http.MethodGet, "/tasks/1?x=1", "", `200 {"id":1,"title":"milk"}`},
		{http.MethodPost, "/tasks", "{}", `400 {"error":"want {\"title\": \"...\"}"}`},
		{http.MethodDelete, "/tasks/1", "", "204 "},
		{http.MethodDelete, "/tasks/1", "", `404 {"error":"no such task"}`},
		{http.MethodGet, "/tasks", "", "200 []"},
	} {
		if got := ask(t.Context(), step.method, url+step.path, step.body); got != step.want {
			t.Errorf("%s %s: %s, want %s", step.method, step.path, got, step.want)
		}
	}
}

// ask returns the status and the body of an answer.
func ask(ctx context.Context, method, url, body string) string {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(resp.StatusCode, " ", strings.TrimSpace(string(text)))
}

// tasksBridge serves the example's route, and returns where.
func tasksBridge(t *testing.T, srv *natstest.Server, fn *function.Function) string {
	t.Helper()
	s, err := bridge.New(bridge.Config{Conn: srv.Conn(t), Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	h := fn.Spec.Triggers[0].HTTP
	err = s.SetRoutes([]bridge.Route{{
		Path: h.Path, Methods: h.Methods, Namespace: fn.Metadata.Namespace, Function: fn.Metadata.Name,
		Sync: h.Mode == function.ModeSync, Timeout: time.Minute, Plain: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	background(t, s.Run)
	waittest.Receive(t, s.Ready())
	return "http://" + s.Addr().String()
}

// runTasks starts the example as `pelton up` does, with a sidecar beside it.
func runTasks(t *testing.T, srv *natstest.Server, fn *function.Function) {
	t.Helper()
	port := testenv.HoldPort(t)
	cmd := exec.Command(fn.Spec.Handler.Command[0], fn.Spec.Handler.Command[1:]...)
	cmd.Dir, cmd.Env = filepath.Dir(fn.Origin.File), append(os.Environ(), fmt.Sprint("PORT=", port), "PYTHONDONTWRITEBYTECODE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	inv, err := httpcall.New(httpcall.Config{Address: fmt.Sprint("127.0.0.1:", port), Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inv.Close() })
	s, err := sidecar.New(srv.Conn(t), inv, sidecar.Config{Function: fn, Replica: "r1", DrainTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	background(t, s.Run)
}

// background runs a part until the test ends.
func background(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := waittest.Receive(t, ended); err != nil {
			t.Error(err)
		}
	})
}

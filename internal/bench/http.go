package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// httpLoads are those of the published comparison of a Flask application on Kubernetes and on AWS Lambda.
func (o options) httpLoads() []httpLoad {
	loads := []httpLoad{
		{10, 30 * time.Second}, {50, 30 * time.Second}, {100, 30 * time.Second}, {500, 30 * time.Second}, {50, 2 * time.Minute},
	}
	for i := range loads {
		loads[i].lasts = o.short(loads[i].lasts)
	}
	return loads
}

// httpTasks asks functions/examples/tasks-flask, under gunicorn itself and by way of the queue of `pelton up`. The first runs
// and is warm; the second begins each test at zero replicas, so its first callers wait for the start of Python.
func httpTasks(ctx context.Context, r *rig, t *table) error {
	functions := filepath.Join(r.dir, "http") // the state is here, too: in the function's own folder each write would be a change of it
	folder := filepath.Join(functions, "tasks-flask")
	if err := copyTasks(ctx, folder); err != nil {
		return err
	}
	program := filepath.Join(r.dir, "pelton")
	if err := r.build(ctx, "cmd/pelton", program); err != nil {
		return err
	}
	m, err := r.up(ctx, program, functions)
	if err != nil {
		return err
	}
	defer m.stop()
	for _, l := range r.opts.httpLoads() {
		direct, err := r.tasksDirect(ctx, folder, l)
		if err != nil {
			return fmt.Errorf("gunicorn itself, %v: %w", l, err)
		}
		if err := m.atZero(ctx); err != nil {
			return err
		}
		ours, err := askTasks(ctx, strings.TrimPrefix(m.http, "http://"), l, m.process.cpu)
		if err != nil {
			return fmt.Errorf("pelton, %v: %w", l, err)
		}
		httpRows(t, l, direct, ours)
	}
	return nil
}

// copyTasks makes a copy of the example that may be written to, and sees that it can run here.
func copyTasks(ctx context.Context, folder string) error {
	const missing = "tasks-flask cannot run here, it needs gunicorn and Flask for the same Python: " +
		"on Debian, apt-get install gunicorn python3-flask"
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the example: go list: %w", err)
	}
	example := filepath.Join(strings.TrimSpace(string(module)), "functions", "examples", "tasks-flask")
	if err := os.CopyFS(folder, os.DirFS(example)); err != nil {
		return fmt.Errorf("copy the example: %w", err)
	}
	check := exec.CommandContext(ctx, "gunicorn", "--check-config", "app:app")
	check.Dir = folder
	if out, err := check.CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%s (%w: %s)", missing, err, lines[len(lines)-1])
	}
	return nil
}

// tasksDirect asks gunicorn itself, run as the function runs it, once it is warm.
func (r *rig) tasksDirect(ctx context.Context, folder string, l httpLoad) (httpRun, error) {
	address, err := freeAddress()
	if err != nil {
		return httpRun{}, err
	}
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command("sh", "serve.sh")
	cmd.Dir = folder
	p, err := r.start(cmd, "PORT="+port, "GUNICORN_CMD_ARGS=--log-level warning")
	if err != nil {
		return httpRun{}, err
	}
	defer p.stop()
	starting, cancel := context.WithTimeout(ctx, waitStart)
	defer cancel()
	conn, err := dialWhenReady(starting, address)
	if err != nil {
		return httpRun{}, err
	}
	_ = conn.Close()                                                   // it was to know that somebody listens
	cpu := func() time.Duration { return cpuOfAll(familyOf(p.pid())) } // its workers answer
	if _, err := askTasks(ctx, address, httpLoad{l.rate, 2 * time.Second}, cpu); err != nil {
		return httpRun{}, fmt.Errorf("warm up: %w", err)
	}
	return askTasks(ctx, address, l, cpu)
}

// askTasks runs a load and says at once what went wrong in it. cpu is the processor time of what is asked.
func askTasks(ctx context.Context, address string, l httpLoad, cpu func() time.Duration) (httpRun, error) {
	c := newTasksClient(address, l.requests())
	defer c.pool.close()
	before := cpu()
	run, err := c.run(ctx, l)
	if err != nil {
		return run, err
	}
	run.cpu = milliseconds(cpu()-before) / float64(len(run.samples))
	for what, n := range run.failures() {
		fmt.Fprintf(os.Stderr, "bench: http: %v: %d of %d requests: %s\n", l, n, len(run.samples), what)
	}
	return run, nil
}

// httpRows adds what a load came to. Times are of requests that were answered as they should be; the share tells of the rest.
func httpRows(t *table, l httpLoad, direct, ours httpRun) {
	row := func(what, goal, format string, d, o float64) {
		t.add(what, fmt.Sprintf(format, d), fmt.Sprintf(format, o), fmt.Sprintf("%.2f", o/d), goal)
	}
	row(fmt.Sprintf("http, tasks-flask, %v, from zero, beside gunicorn itself, answered, %%", l), "100",
		"%.2f", direct.share(), ours.share())
	d, o := direct.good(0), ours.good(0)
	row("  mean, ms", "", "%.1f", mean(d), mean(o))
	if l.rate >= 500 {
		row("  mean after the first second, ms", "< 50", "%.1f", mean(direct.good(time.Second)), mean(ours.good(time.Second)))
	}
	row("  p50, ms", "", "%.1f", median(d), median(o))
	warm, ourWarm := median(direct.good(l.lasts/2)), median(ours.good(l.lasts/2)) // the start is long over
	t.add("  the queue's price, p50 of the second half, ms", fmt.Sprintf("%.1f", warm), fmt.Sprintf("%.1f", ourWarm),
		fmt.Sprintf("%+.1f ms", ourWarm-warm), "+3 ms or less")
	row("  p99, ms", "", "%.1f", quantile(d, 0.99), quantile(o, 0.99))
	row("  processor time of a request, gunicorn's and what pelton up takes besides, ms", "", "%.2f", direct.cpu, ours.cpu)
	row("  most callers at one time", "", "%.0f", float64(direct.waiting), float64(ours.waiting))
}

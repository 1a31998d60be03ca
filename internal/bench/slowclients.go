package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
)

const (
	slowEach   = 500              // clients of each of the four kinds
	slowCalls  = 128              // at one time of those who read slowly: the others wait for their turn
	slowSettle = 12 * time.Second // all are connected by then, and whoever is cut off comes back as often as ever
	slowAfter  = 10 * time.Second // what they had is given back by then

	healthyLoad = 30 * time.Second
)

// slowClients asks a real `pelton up`, at fixed times, without and with 2,000 slow clients beside, and looks at its memory.
func slowClients(ctx context.Context, r *rig, t *table) error {
	program, folder := filepath.Join(r.dir, "pelton"), filepath.Join(r.dir, "slow")
	if err := r.build(ctx, "cmd/pelton", program); err != nil {
		return err
	}
	for _, name := range []string{"small", "large"} {
		if err := writeManifest(filepath.Join(folder, name), r.pages(name)); err != nil {
			return err
		}
	}
	m, err := r.up(ctx, program, folder)
	if err != nil {
		return err
	}
	defer m.stop()
	h := healthy{address: strings.TrimPrefix(m.http, "http://")}
	if _, err := h.ask(ctx, 2*time.Second); err != nil { // this starts the function, too
		return fmt.Errorf("warm up: %w", err)
	}
	alone, err := h.ask(ctx, r.opts.short(healthyLoad))
	if err != nil {
		return fmt.Errorf("without slow clients: %w", err)
	}
	before, kernel := memoryOf(m.process.pid(), "VmRSS"), kernelTCP()
	c := gather(ctx, h.address)
	time.Sleep(slowSettle)
	beside, err := h.ask(ctx, r.opts.short(healthyLoad))
	open, cut, kernelWith := c.open.Load(), c.cut.Load(), kernelTCP()
	c.leave()
	if err != nil {
		return fmt.Errorf("beside %d slow clients: %w", open, err)
	}
	with := memoryOf(m.process.pid(), "VmHWM")
	time.Sleep(slowAfter)
	slowRows(t, alone, beside, [3]float64{before, with, memoryOf(m.process.pid(), "VmRSS")})
	t.add("  the kernel's for all TCP connections, before and with them, MiB", fmt.Sprintf("%.1f", kernel), fmt.Sprintf("%.1f", kernelWith), "", "")
	t.add("  slow clients that are connected at the end", fmt.Sprint(len(slowKinds())*slowEach), fmt.Sprint(open), "", "")
	t.add("  how often one was cut off and came back", "", fmt.Sprint(cut), "", "")
	return nil
}

// slowRows adds what they made of the figures. The memory is that of the process before, the most it ever was, and after.
func slowRows(t *table, alone, beside asked, memory [3]float64) {
	row := func(what, goal string, limit, ours float64) {
		t.add(what, fmt.Sprintf("%.1f", limit), fmt.Sprintf("%.1f", ours), fmt.Sprintf("%.2f", ours/limit), goal)
	}
	row("2000 slow clients, events that are accepted without and with them, p50, ms", "", median(alone.posts), median(beside.posts))
	row("  p99, ms", "<= 50", quantile(alone.posts, 0.99), quantile(beside.posts, 0.99))
	row("  calls of a function whose callers wait, p50, ms", "", median(alone.calls), median(beside.calls))
	row("  p99, ms", "<= 50", quantile(alone.calls, 0.99), quantile(beside.calls, 0.99))
	row("  memory of pelton up before and at most, MiB", "<= 128", memory[0], memory[1])
	row("  memory before and after, MiB", "", memory[0], memory[2])
}

// pages is a function whose callers wait for what servePages answers. The large one has many calls at a time for slow readers.
func (r *rig) pages(name string) *function.Function {
	fn := &function.Function{APIVersion: function.APIVersion, Kind: function.Kind, Metadata: function.Metadata{Name: name}}
	fn.Spec.Triggers = []function.Trigger{{HTTP: &function.HTTPTrigger{
		Path: "/" + name, Methods: []string{http.MethodGet}, Mode: function.ModeSync,
	}}}
	fn.Spec.Handler = function.Handler{
		Protocol: function.ProtocolHTTP, Command: []string{"env", roleVariable + "=pages", r.self},
	}
	if name == "large" {
		fn.Spec.Concurrency = slowCalls
	}
	fn.Spec.Timeout = function.Duration(time.Minute)
	fn.Spec.Scale.MaxReplicas = 1
	fn.Spec.Scale.Cooldown = function.Duration(5 * time.Minute) // it stays up once it has been asked
	fn.SetDefaults()
	return fn
}

// servePages answers with a word, or with more than all buffers on the way hold. Its own are small: what the kernel keeps of it shall
// be what the others let it keep.
func servePages() error {
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		return err
	}
	srv := http.Server{
		Handler: http.HandlerFunc(answerPages),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			_ = c.(*net.TCPConn).SetWriteBuffer(64 << 10) // without it there is more memory to take
			return ctx
		},
	}
	go func() { _ = srv.Serve(l) }()
	stopped()
	return nil
}

func answerPages(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/large" {
		_, _ = fmt.Fprintln(w, "ok") // who has left needs no answer
		return
	}
	page := make([]byte, 1<<20)
	w.Header().Set("Content-Length", strconv.Itoa(8*len(page)))
	for range 8 {
		if _, err := w.Write(page); err != nil {
			return
		}
	}
}

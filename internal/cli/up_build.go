package cli

import (
	"context"
	"path/filepath"
	"time"

	"github.com/pelton-dev/pelton/internal/bridge"
	"github.com/pelton-dev/pelton/internal/claim"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/lifecycle"
	"github.com/pelton-dev/pelton/internal/supervisor"
	"github.com/pelton-dev/pelton/internal/wake"
)

// build makes the parts that run side by side. Nothing of them runs yet.
func (u *upRun) build(ctx context.Context) error {
	u.console = newConsole(u.view())
	u.warnings.news(u.functions) // the start screen tells them
	if u.nats != nil {
		u.nats.tell = u.console.event
	}
	core, err := u.dial("core", u.tellOfServer()...)
	if err != nil {
		return err
	}
	writer := ledger.NewWriter(u.js, ledger.WriterConfig{Logger: u.log.Named("ledger")})
	watcher, err := wake.New(core, wake.Config{Logger: u.log.Named("wake")})
	if err != nil {
		return err
	}
	u.sup, err = supervisor.New(core, watcher, supervisor.Config{
		RuntimeDir: filepath.Join(u.runtime, "h"), Guard: u.guard, DrainTimeout: u.opts.grace,
		Watch: u.opts.watch, Manifests: u.opts.paths, Reload: u.reload, OwnServer: u.nats != nil,
		OnEvent: u.onEvent, OnOutput: u.console.output,
		Recorder: ledger.RecorderFunc(func(r ledger.Run) { writer.Record(r); u.console.Record(r) }),
		Logger:   u.log.Named("supervisor"),
	})
	if err != nil {
		return err
	}
	for _, fn := range u.functions {
		u.announced.Store(fn.Key(), true)
	}
	u.sup.Apply(u.functions)
	if err := u.buildBridge(); err != nil {
		return err
	}
	if u.control, err = listenControl(u.runtime, u.sup, u.reloads); err != nil {
		return err
	}
	u.state.ControlSocket = u.control.socket()
	u.keep(ctx, "run records", writer.Run)
	u.keep(ctx, "wake", watcher.Run)
	u.keep(ctx, "large bodies", claim.NewJanitor(u.js, 0, u.log.Named("bodies")).Run)
	if u.access != nil {
		u.keep(ctx, "access", u.access.Run)
	}
	u.actors = append(u.actors, lifecycle.Actor{Name: "functions", Run: u.sup.Run},
		lifecycle.Actor{Name: "http", Run: u.bridge.Run}, lifecycle.Actor{Name: "control", Run: u.control.run})
	return nil
}

// onEvent shows what happens to functions, except that those of the start screen have come.
func (u *upRun) onEvent(e supervisor.Event) {
	u.reloads.event(e)
	if e.Kind == supervisor.EventAdded {
		if _, known := u.announced.LoadAndDelete(e.Function); known {
			return
		}
	}
	u.console.event(e)
}

// keep runs a part until everything that needs it has ended.
func (u *upRun) keep(ctx context.Context, name string, run func(context.Context) error) {
	b := startBackground(ctx, name, run)
	u.later(b.stop)
	u.actors = append(u.actors, lifecycle.Actor{Name: name, Run: b.watch})
}

// maxConns bounds the connections over HTTP. Callers of mode sync each hold one while their function starts from zero: 500 in a second
// for eight seconds are 4,000. One that waits takes about 32 KiB, its event in the server included, and a silent one 8: 128 MiB at most.
const maxConns = 4096

func (u *upRun) buildBridge() error {
	nc, err := u.dial("http")
	if err != nil {
		return err
	}
	u.bridge, err = bridge.New(bridge.Config{
		Conn: nc, Listener: u.http, Access: u.access, Logger: u.log.Named("http"),
		DrainTimeout: min(u.opts.grace, bridge.DefaultDrainTimeout), MaxMessage: u.maxEvent, MaxConns: maxConns,
	})
	if err != nil {
		return err
	}
	u.state.HTTPURL = "http://" + u.http.Addr().String()
	return u.bridge.SetRoutes(routesOf(u.functions))
}

// reload reads the manifests again after a change.
func (u *upRun) reload(context.Context) ([]*function.Function, error) {
	fns, err := loadFunctions(u.opts.paths, u.opts.checks()...)
	if err == nil {
		err = u.bridge.SetRoutes(routesOf(fns))
	}
	u.reloads.read(err)
	if err == nil {
		for key, text := range u.warnings.news(fns) {
			u.console.event(supervisor.Event{Time: time.Now(), Kind: eventWarning, Function: key, Text: text})
		}
	}
	return fns, err
}

// eventWarning is what the console tells of a changed manifest; those of the start screen are told there.
const eventWarning supervisor.EventKind = "warning"

func routesOf(fns []*function.Function) []bridge.Route {
	var routes []bridge.Route
	for _, fn := range fns {
		file := func(ref function.KeyRef) string { return ref.SecretFile(fn.Origin.Dir) }
		for _, t := range fn.Spec.Triggers {
			if t.HTTP != nil {
				routes = append(routes, bridge.Route{
					Path: t.HTTP.Path, Methods: t.HTTP.Methods, Namespace: fn.Metadata.Namespace, Function: fn.Metadata.Name,
					Webhook: bridge.WebhookOf(t.HTTP, file), Callbacks: bridge.CallbacksOf(t.HTTP, file),
					Sync: t.HTTP.Mode == function.ModeSync, Timeout: time.Duration(fn.Spec.Timeout),
					Plain: fn.Spec.Handler.Protocol == function.ProtocolHTTP, MaxBody: t.HTTP.BodyLimit(),
				})
			}
		}
	}
	return routes
}

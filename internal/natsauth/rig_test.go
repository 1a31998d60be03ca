package natsauth_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/natsauth"
	"github.com/pelton-dev/pelton/internal/natsclient"
	"github.com/pelton-dev/pelton/internal/natstest"
	"github.com/pelton-dev/pelton/internal/sidecar"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// rig is a real server in operator mode, configured by what we write for it.
type rig struct {
	t        *testing.T
	operator *natsauth.Operator
	srv      *natstest.Server
	admins   map[string]jetstream.JetStream // by account
}

func start(t *testing.T, accounts ...string) *rig {
	t.Helper()
	o, err := natsauth.NewOperator("test", accounts...)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, operator: o, admins: map[string]jetstream.JetStream{}}
	r.srv = natstest.StartAs(t, []nats.Option{r.as(accounts[0], natsauth.Everything())}, natstest.Listen(), r.configure)
	for _, account := range accounts {
		r.admins[account] = r.admin(account)
	}
	return r
}

func (r *rig) configure(s *server.Options) {
	if err := s.ProcessConfigString(r.operator.ServerConfig()); err != nil {
		r.t.Fatal(err)
	}
}

// admin connects with all rights in an account.
func (r *rig) admin(account string) jetstream.JetStream {
	r.t.Helper()
	js, err := jetstream.New(r.srv.Conn(r.t, r.as(account, natsauth.Everything())), jetstream.WithDefaultTimeout(30*time.Second))
	if err != nil {
		r.t.Fatal(err)
	}
	return js
}

// reload has the server read what the operator says now.
func (r *rig) reload() {
	r.t.Helper()
	opts, port := &server.Options{}, r.srv.Raw().Addr().(*net.TCPAddr).Port
	*opts = server.Options{
		ServerName: "natstest", Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: filepath.Dir(r.srv.Raw().StoreDir()),
	}
	r.configure(opts)
	if err := r.srv.Raw().ReloadOptions(opts); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) account(name string) natsauth.Account {
	i := slices.IndexFunc(r.operator.Accounts, func(a natsauth.Account) bool { return a.Name == name })
	return r.operator.Accounts[i]
}

func (r *rig) issuer(account string, lifetime time.Duration) *natsauth.Issuer {
	r.t.Helper()
	a := r.account(account)
	i, err := natsauth.NewIssuer(a.Signing, a.PublicKey, lifetime)
	if err != nil {
		r.t.Fatal(err)
	}
	return i
}

// as lets somebody in with permissions of his own.
func (r *rig) as(account string, p natsauth.Permissions) nats.Option {
	r.t.Helper()
	content, err := r.issuer(account, 0).Permanent("test", p, time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	return nats.UserCredentialBytes(content)
}

// provision makes what a controller makes, with all rights.
func (r *rig) provision(account string, fns ...*function.Function) {
	r.t.Helper()
	js := r.admins[account]
	if _, err := stream.Ensure(r.t.Context(), js, stream.Config{}); err != nil {
		r.t.Fatal(err)
	}
	if err := catalog.Ensure(r.t.Context(), js, 1); err != nil {
		r.t.Fatal(err)
	}
	for _, fn := range fns {
		if _, err := stream.EnsureFunction(r.t.Context(), js, fn); err != nil {
			r.t.Fatal(err)
		}
		if err := catalog.Put(r.t.Context(), js, fn); err != nil {
			r.t.Fatal(err)
		}
	}
}

// file writes the credentials of a function to a file.
func (r *rig) file(i *natsauth.Issuer, fn *function.Function) string {
	r.t.Helper()
	path := filepath.Join(r.t.TempDir(), "nats.creds")
	write(r.t, i, fn, path)
	return path
}

// write replaces a file at once, as the kubelet does.
func write(t testing.TB, i *natsauth.Issuer, fn *function.Function, path string) natsauth.Credentials {
	t.Helper()
	c, err := i.Issue(fn, "uid-of-"+fn.Metadata.Name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", c.File, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return c
}

func newFunction(name string, change func(*function.Spec)) *function.Function {
	fn := &function.Function{APIVersion: function.APIVersion, Kind: function.Kind, Metadata: function.Metadata{Name: name}}
	fn.Spec.Triggers = []function.Trigger{{Event: &function.EventTrigger{Subjects: []string{"events." + name}}}}
	fn.Spec.Handler.Command = []string{"true"}
	fn.Spec.Retry = function.Retry{
		MaxAttempts: 3, MinBackoff: function.Duration(50 * time.Millisecond), MaxBackoff: function.Duration(100 * time.Millisecond),
	}
	if change != nil {
		change(&fn.Spec)
	}
	fn.SetDefaults()
	return fn
}

// handler is an invoker in the test's own hands.
type handler func(ctx context.Context, c *invoke.Call) (invoke.Outcome, error)

func (handler) WaitReady(context.Context) error { return nil }
func (handler) Close() error                    { return nil }

func (h handler) Invoke(ctx context.Context, c *invoke.Call) (invoke.Outcome, error) {
	return h(ctx, c)
}

// replica is a sidecar that runs as pelton-sidecar runs it, with the credentials of a file.
type replica struct {
	t      testing.TB
	nc     *natsclient.Conn
	cancel context.CancelFunc
	done   chan error
}

func (r *rig) run(fn *function.Function, creds string, h handler) *replica {
	r.t.Helper()
	log := zaptest.NewLogger(r.t, zaptest.Level(zap.InfoLevel))
	nc, err := natsclient.Connect(r.t.Context(), natsclient.Config{
		URL: r.srv.URL(), Name: fn.Metadata.Name, Creds: creds, CredsCheck: 50 * time.Millisecond, Logger: log.Named("nats"),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc.Conn)
	if err != nil {
		r.t.Fatal(err)
	}
	records := ledger.NewWriter(js, ledger.WriterConfig{Logger: log.Named("ledger")})
	s, err := sidecar.New(nc.Conn, h, sidecar.Config{Function: fn, Replica: "r1", Recorder: records, Logger: log.Named("sidecar")})
	if err != nil {
		r.t.Fatal(err)
	}
	nc.OnRenewal(s.Reconnect)
	ctx, cancel := context.WithCancel(context.Background())
	late, end := context.WithCancel(context.Background()) // what is settled while it drains is recorded, too
	p := &replica{r.t, nc, cancel, make(chan error, 3)}
	go func() {
		p.done <- s.Run(ctx)
		end()
	}()
	go func() { p.done <- records.Run(late) }()
	go func() { p.done <- nc.Run(late) }()
	r.t.Cleanup(p.stop)
	waittest.Receive(r.t, s.Ready())
	return p
}

// stop drains, and waits for the end.
func (p *replica) stop() {
	p.cancel()
	for range cap(p.done) {
		if err := waittest.Receive(p.t, p.done); err != nil {
			p.t.Errorf("run: %v", err)
		}
	}
	p.done = nil
}

func writeFile(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nats.creds")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

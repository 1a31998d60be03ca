package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// TestSomeThatCouldNotBeProvisioned have an exit code of their own.
func TestSomeThatCouldNotBeProvisioned(t *testing.T) {
	t.Parallel()
	good, bad := provisionedFunction{Name: "good"}, provisionedFunction{Name: "bad", Error: "no room"}
	for want, functions := range map[int][]provisionedFunction{
		ExitOK: {good, good}, ExitPartly: {good, bad}, ExitFailed: {bad, bad},
	} {
		p := provisioning{result: provisioned{Functions: functions}}
		err := p.failure()
		var e *Error
		failed := errors.As(err, &e)
		if failed != (want != ExitOK) || failed && (e.Exit != want || !strings.Contains(e.Error(), "no room")) {
			t.Errorf("%v: %v, want exit %d", functions, err, want)
		}
	}
}

// issuer makes signed identities for a server that knows users by their credentials alone.
type issuer struct {
	t                 *testing.T
	operator, account nkeys.KeyPair
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{t: t}
	var err, err2 error
	i.operator, err = nkeys.CreateOperator()
	i.account, err2 = nkeys.CreateAccount()
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return i
}

// configure lets the server trust the operator and know its one account, which has JetStream, and the server's own.
func (i *issuer) configure(o *server.Options) {
	operator, _ := i.operator.PublicKey()
	resolver := &server.MemAccResolver{}
	system, err := nkeys.CreateAccount()
	if err != nil {
		i.t.Fatal(err)
	}
	i.store(resolver, i.account, jwt.JetStreamLimits{DiskStorage: -1, MemoryStorage: -1, Streams: -1, Consumer: -1})
	o.SystemAccount = i.store(resolver, system, jwt.JetStreamLimits{})
	o.TrustedKeys, o.AccountResolver = []string{operator}, resolver
}

func (i *issuer) store(r *server.MemAccResolver, account nkeys.KeyPair, limits jwt.JetStreamLimits) string {
	name, _ := account.PublicKey()
	claims := jwt.NewAccountClaims(name)
	claims.Limits.JetStreamLimits = limits
	token, err := claims.Encode(i.operator)
	if err == nil {
		err = r.Store(name, token)
	}
	if err != nil {
		i.t.Fatal(err)
	}
	return name
}

// creds writes a credentials file of a new user.
func (i *issuer) creds() string {
	user, err := nkeys.CreateUser()
	if err != nil {
		i.t.Fatal(err)
	}
	public, _ := user.PublicKey()
	seed, _ := user.Seed()
	token, err := jwt.NewUserClaims(public).Encode(i.account)
	if err != nil {
		i.t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		i.t.Fatal(err)
	}
	path := filepath.Join(i.t.TempDir(), "user.creds")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		i.t.Fatal(err)
	}
	return path
}

const provisionManifest = `
apiVersion: pelton.dev/v1alpha1
kind: Function
metadata: {name: hello}
spec:
  triggers: [{event: {subjects: [events.hello]}}]
  handler: {image: example.com/hello, port: 8080}
`

// TestCredentials provisions on a server that lets nobody in without them.
func TestCredentials(t *testing.T) {
	t.Parallel()
	trusted := newIssuer(t)
	url := guardedServer(t, trusted)
	manifest := filepath.Join(t.TempDir(), "function.yaml")
	if err := os.WriteFile(manifest, []byte(provisionManifest), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(creds string, args ...string) (int, string) {
		var out, errs bytes.Buffer
		code := Run(t.Context(), Config{
			Args: append([]string{"provision", manifest, "--nats", url}, args...), Stdin: strings.NewReader(""), Stdout: &out,
			Stderr: &errs, Getenv: func(name string) string { return map[string]string{"NATS_CREDS": creds}[name] },
		})
		return code, out.String() + errs.String()
	}
	good, foreign := trusted.creds(), newIssuer(t).creds()
	for _, c := range []struct {
		env  string
		args []string
		exit int
		part string
	}{
		{"", nil, ExitUnreachable, "refuses the credentials"},
		{good, []string{"--creds", foreign}, ExitUnreachable, "refuses the credentials"},
		{"", []string{"--creds", good + "s"}, ExitNotFound, "cannot read"},
		{foreign, []string{"--creds", good}, ExitOK, "created"},
		{good, nil, ExitOK, "unchanged"},
	} {
		if exit, text := run(c.env, c.args...); exit != c.exit || !strings.Contains(text, c.part) {
			t.Errorf("$NATS_CREDS=%s %v: exit %d, %s, want %d, %s", c.env, c.args, exit, text, c.exit, c.part)
		}
	}
}

// guardedServer runs a server that trusts one issuer.
func guardedServer(t *testing.T, i *issuer) string {
	t.Helper()
	o := &server.Options{
		ServerName: "guarded", Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true,
		NoLog: true,
	}
	i.configure(o)
	srv, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	go srv.Start()
	t.Cleanup(srv.WaitForShutdown)
	t.Cleanup(srv.Shutdown)
	if !srv.ReadyForConnections(natsReady) {
		t.Fatal("not ready")
	}
	return srv.ClientURL()
}

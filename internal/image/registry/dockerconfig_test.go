package registry_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"

	ours "github.com/pelton-dev/pelton/internal/image/registry"
)

// login writes a config and returns the environment that leads to it.
func login(t *testing.T, config string) func(string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(name string) string { return map[string]string{"DOCKER_CONFIG": dir}[name] }
}

// TestDockerCredentials reads what `docker login` writes. "YW5uOmE6Yg==" is ann:a:b.
func TestDockerCredentials(t *testing.T) {
	t.Parallel()
	ann := ours.Credentials{User: "ann", Password: "a:b"}
	for title, test := range map[string]struct {
		config, host string
		want         ours.Credentials
	}{
		"a host":        {`{"auths":{"r.example.com":{"auth":"YW5uOmE6Yg=="}}}`, "r.example.com", ann},
		"an address":    {`{"auths":{"https://r.example.com/v1/":{"auth":"YW5uOmE6Yg=="}}}`, "r.example.com", ann},
		"a port":        {`{"auths":{"r.example.com:5000":{"auth":"YW5uOmE6Yg=="}}}`, "r.example.com:5000", ann},
		"plain":         {`{"auths":{"r.example.com":{"username":"ann","password":"a:b"}}}`, "r.example.com", ann},
		"another host":  {`{"auths":{"example.com":{"auth":"YW5uOmE6Yg=="}}}`, "r.example.com", ours.Credentials{}},
		"nothing in it": {`{"auths":{"r.example.com":{}}}`, "r.example.com", ours.Credentials{}},
		"no logins":     {`{}`, "r.example.com", ours.Credentials{}},
		"the default one": {
			`{"auths":{"https://` + name.DefaultRegistry + `/v1/":{"auth":"YW5uOmE6Yg=="}}}`, name.DefaultRegistry, ann,
		},
		"a token": {
			`{"auths":{"r.example.com":{"auth":"YW5uOg==","identitytoken":"long"}}}`, "r.example.com",
			ours.Credentials{User: "ann", IdentityToken: "long"},
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			got, err := ours.DockerCredentials(login(t, test.config))(t.Context(), test.host)
			if err != nil || got != test.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// TestBrokenLogins name the file.
func TestBrokenLogins(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{"auths":`: "config.json",
		`{"auths":{"r.example.com":{"auth":"%%"}}}`:                 "base64",
		`{"auths":{"r.example.com":{"auth":"YW5u"}}}`:               "NAME:PASSWORD",
		`{"credHelpers":{"r.example.com":"pelton-does-not-exist"}}`: "docker-credential-pelton-does-not-exist",
	} {
		_, err := ours.DockerCredentials(login(t, config))(t.Context(), "r.example.com")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "config.json") {
			t.Errorf("%s: want %q: %v", config, want, err)
		}
	}
	nowhere := func(string) string { return "" }
	if got, err := ours.DockerCredentials(nowhere)(t.Context(), "r"); err != nil || got != (ours.Credentials{}) {
		t.Errorf("without any file: %+v, %v", got, err)
	}
}

// TestHelper runs a program as Docker does. It is found in PATH, so this test runs alone.
func TestHelper(t *testing.T) {
	dir := t.TempDir()
	script := `#!/bin/sh
case "$1 $(cat)" in
"get r.example.com") echo '{"Username":"ann","Secret":"s"}' ;;
"get t.example.com") echo '{"Username":"<token>","Secret":"long"}' ;;
"get broken.example.com") echo 'the keychain is locked'; exit 1 ;;
*) echo 'credentials not found in native keychain'; exit 1 ;;
esac
`
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-test"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	find := ours.DockerCredentials(login(t, `{"credsStore":"test"}`))
	for host, want := range map[string]ours.Credentials{
		"r.example.com": {User: "ann", Password: "s"}, "t.example.com": {IdentityToken: "long"}, "u.example.com": {},
	} {
		if got, err := find(t.Context(), host); err != nil || got != want {
			t.Errorf("%s: %+v, %v", host, got, err)
		}
	}
	if _, err := find(t.Context(), "broken.example.com"); err == nil || !strings.Contains(err.Error(), "keychain is locked") {
		t.Errorf("a helper that fails: %v", err)
	}
}

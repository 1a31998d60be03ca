package registry_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ours "github.com/pelton-dev/pelton/internal/image/registry"
)

// basic lets in only ann, whose password is a:b.
func basic(w http.ResponseWriter, r *http.Request) bool {
	if user, password, _ := r.BasicAuth(); user == "ann" && password == "a:b" {
		return false
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="here"`)
	w.WriteHeader(http.StatusUnauthorized)
	return true
}

// TestBasic lets in who has the password.
func TestBasic(t *testing.T) {
	t.Parallel()
	s := start(t, basic)
	r := release(t, s.host+"/a:1", "x", amd64)
	if err := r.Push(t.Context(), client(login{Username: "ann", Password: "a:b"})); err != nil {
		t.Error(err)
	}
	for _, l := range []login{{}, {Username: "bob", Password: "a:b"}} {
		err := r.Push(t.Context(), client(l))
		e, ok := errors.AsType[*ours.Error](err)
		if !ok || e.Status != http.StatusUnauthorized || e.User != l.Username || !e.Push || e.Host != s.host {
			t.Errorf("as %q: %+v, %v", l.Username, e, err)
		}
	}
}

// TestToken gets a token of the registry's service, and says who was refused, by either.
func TestToken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		login login
		want  string
	}{
		"password":         {login{Username: "ann", Password: "secret"}, ""},
		"identity token":   {login{IdentityToken: "long"}, ""},
		"nobody":           {login{}, "without a login: 403 Forbidden: not yours (DENIED)"},
		"password refused": {login{Username: "ann", Password: "wrong"}, "as ann: 401 Unauthorized"},
		"may not":          {login{Username: "bob", Password: "secret"}, "as bob: 403 Forbidden: bob reads (DENIED)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, guard)
			err := release(t, s.host+"/shop/a:1", "x", amd64).Push(t.Context(), client(test.login))
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("want %q: %v", test.want, err)
			}
		})
	}
}

// guard gives out tokens and lets in who has that of ann.
func guard(w http.ResponseWriter, r *http.Request) bool {
	switch authorization := r.Header.Get("Authorization"); {
	case r.URL.Path == "/token":
		giveToken(w, r)
	case authorization == "Bearer for-ann":
		return false
	case strings.HasPrefix(authorization, "Bearer "):
		http.Error(w, `{"errors":[{"code":"DENIED","message":"bob reads"}]}`, http.StatusForbidden)
	default:
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="a registry"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
	return true
}

func giveToken(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	switch {
	case r.FormValue("refresh_token") == "long":
		user = "ann"
	case user == "":
		http.Error(w, `{"errors":[{"code":"DENIED","message":"not yours"}]}`, http.StatusForbidden)
		return
	case password != "secret":
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"access_token": "for-" + user})
}

// noLogins leads every search for logins into an empty folder, which it returns. Its tests run alone, as others' environment is
// theirs.
func noLogins(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"} {
		t.Setenv(name, dir)
	}
	t.Setenv("REGISTRY_AUTH_FILE", "")
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// helper is a program as Docker has them for the keychains of operating systems.
const helper = `#!/bin/sh
case "$1 $(cat)" in
"get HOST") echo '{"Username":"ann","Secret":"a:b"}' ;;
*) echo 'credentials not found in native keychain'; exit 1 ;;
esac
`

// TestLogins finds the login where each program writes it. "YW5uOmE6Yg==" is ann:a:b.
func TestLogins(t *testing.T) {
	s := start(t, basic)
	push := func(t *testing.T) error {
		return release(t, s.host+"/a:1", "x", amd64).Push(t.Context(), ours.New(ours.Config{Backoff: time.Millisecond}))
	}
	auths := `{"auths":{"` + s.host + `":{"auth":"YW5uOmE6Yg=="}}}`
	for title, place := range map[string]func(t *testing.T, dir string){
		"docker": func(t *testing.T, dir string) { write(t, filepath.Join(dir, "config.json"), auths) },
		"podman": func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "auth"), auths)
			t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(dir, "auth"))
		},
		"a helper": func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "config.json"), `{"credsStore":"test"}`)
			write(t, filepath.Join(dir, "docker-credential-test"), strings.ReplaceAll(helper, "HOST", s.host))
			t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
		},
	} {
		t.Run(title, func(t *testing.T) {
			place(t, noLogins(t))
			if err := push(t); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		noLogins(t)
		if err := push(t); err == nil || !strings.Contains(err.Error(), "without a login: 401") {
			t.Error(err)
		}
	})
}

// TestBrokenLogins name the registry, and the file or the program.
func TestBrokenLogins(t *testing.T) {
	for config, want := range map[string]string{
		`{"auths":`: "config.json",
		`{"auths":{"r.example.com":{"auth":"%%"}}}`:                 "config.json",
		`{"credHelpers":{"r.example.com":"pelton-does-not-exist"}}`: "docker-credential-pelton-does-not-exist",
	} {
		write(t, filepath.Join(noLogins(t), "config.json"), config)
		_, err := ours.New(ours.Config{}).Image(t.Context(), "r.example.com/a:1", amd64)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "the login for r.example.com") {
			t.Errorf("%s: want %q: %v", config, want, err)
		}
	}
}

package registry_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	ours "github.com/pelton-dev/pelton/internal/image/registry"
)

// TestBasic lets in who has the password.
func TestBasic(t *testing.T) {
	t.Parallel()
	s := start(t, func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user == "ann" && password == "secret" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="here"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	r := release(t, s.host+"/a:1", "x", amd64)
	if err := r.Push(t.Context(), client(ours.Credentials{User: "ann", Password: "secret"})); err != nil {
		t.Error(err)
	}
	for _, credentials := range []ours.Credentials{{}, {User: "bob", Password: "secret"}} {
		err := r.Push(t.Context(), client(credentials))
		e, ok := errors.AsType[*ours.Error](err)
		if !ok || e.Status != http.StatusUnauthorized || e.User != credentials.User || !e.Push || e.Host != s.host {
			t.Errorf("as %q: %+v, %v", credentials.User, e, err)
		}
	}
}

// TestToken gets a token where the registry says, for the repository and for what is to be done.
func TestToken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		credentials ours.Credentials
		status      int // of the token service
		want        string
	}{
		"password":         {ours.Credentials{User: "ann", Password: "secret"}, http.StatusOK, ""},
		"identity token":   {ours.Credentials{IdentityToken: "long"}, http.StatusOK, ""},
		"nobody":           {ours.Credentials{}, http.StatusOK, "without a login"},
		"password refused": {ours.Credentials{User: "ann", Password: "wrong"}, http.StatusUnauthorized, "as ann: 401"},
		"may not":          {ours.Credentials{User: "bob", Password: "secret"}, http.StatusOK, "as bob: 403"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tokens := httptest.NewServer(tokenService(t, test.status))
			defer tokens.Close()
			s := start(t, func(w http.ResponseWriter, r *http.Request) bool { return guard(w, r, tokens.URL) })
			err := release(t, s.host+"/shop/a:1", "x", amd64).Push(t.Context(), client(test.credentials))
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("want %q: %v", test.want, err)
			}
		})
	}
}

// guard lets in who has the token of ann.
func guard(w http.ResponseWriter, r *http.Request, tokens string) bool {
	switch r.Header.Get("Authorization") {
	case "Bearer for-ann":
		return false
	case "Bearer for-bob":
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"errors":[{"code":"DENIED","message":"not yours"}]}`))
	default:
		w.Header().Add("WWW-Authenticate", `Bearer realm="`+tokens+`/token",service="a registry",scope="repository:shop/a:pull"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
	return true
}

func tokenService(t *testing.T, status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if scope := r.FormValue("scope"); scope != "repository:shop/a:pull,push" || r.FormValue("service") != "a registry" {
			t.Errorf("asked for %q of %q", scope, r.FormValue("service"))
		}
		user, _, _ := r.BasicAuth()
		if r.Method == http.MethodPost && r.FormValue("refresh_token") == "long" && r.FormValue("grant_type") == "refresh_token" {
			user = "ann"
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"access_token": "for-" + user})
	}
}

// TestTokensStayHome: an upload that goes to another host must not show it our token.
func TestTokensStayHome(t *testing.T) {
	t.Parallel()
	var shown atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown.Store(shown.Load() || r.Header.Get("Authorization") != "")
		w.Header().Set("Location", "/next")
		w.WriteHeader(map[string]int{http.MethodPatch: http.StatusAccepted, http.MethodPut: http.StatusCreated}[r.Method])
	}))
	defer elsewhere.Close()
	s := start(t, func(w http.ResponseWriter, r *http.Request) bool {
		if _, _, known := r.BasicAuth(); !known {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		if r.Method != http.MethodPost {
			return false
		}
		w.Header().Set("Location", elsewhere.URL+"/upload")
		w.WriteHeader(http.StatusAccepted)
		return true
	})
	if err := release(t, s.host+"/a:1", "x", amd64).Push(t.Context(), client(ours.Credentials{User: "ann"})); err != nil {
		t.Fatal(err)
	}
	if shown.Load() {
		t.Error("another host was shown what lets us in")
	}
}

// TestBrokenTokenServices answer without a token, or are not there.
func TestBrokenTokenServices(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ challenge, want string }{
		"none":     {`Bearer service="x"`, "names no token service"},
		"unclosed": {`Bearer realm="http://a`, "names no token service"},
		"unknown":  {`Negotiate`, "401"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("WWW-Authenticate", test.challenge)
				w.WriteHeader(http.StatusUnauthorized)
				return true
			})
			_, err := client(ours.Credentials{User: "ann"}).Image(t.Context(), s.host+"/a:1", amd64)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("want %q: %v", test.want, err)
			}
		})
	}
}

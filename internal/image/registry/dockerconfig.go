package registry

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// dockerConfig is what `docker login` and `podman login` write.
type dockerConfig struct {
	Auths map[string]struct {
		Auth          string `json:"auth"`
		Username      string `json:"username"`
		Password      string `json:"password"`
		IdentityToken string `json:"identitytoken"`
	} `json:"auths"`
	CredsStore  string            `json:"credsStore"`
	CredHelpers map[string]string `json:"credHelpers"`
}

// DockerCredentials finds credentials where `docker login` or `podman login` has put them: in the first of $DOCKER_CONFIG,
// ~/.docker, $REGISTRY_AUTH_FILE and podman's file that there is, or in the helper program that it names. Without any there
// are no credentials, which is no error.
func DockerCredentials(getenv func(string) string) CredentialsFunc {
	return func(ctx context.Context, host string) (Credentials, error) {
		path, config, err := readConfig(getenv)
		if err != nil || config == nil {
			return Credentials{}, err
		}
		credentials, err := config.find(ctx, host)
		if err != nil {
			return Credentials{}, fmt.Errorf("%s: %w", path, err)
		}
		return credentials, nil
	}
}

// readConfig reads the first file that there is, nil if there is none.
func readConfig(getenv func(string) string) (string, *dockerConfig, error) {
	for _, path := range configPaths(getenv) {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return path, nil, err
		}
		config := &dockerConfig{}
		if err := json.Unmarshal(text, config); err != nil {
			return path, nil, fmt.Errorf("read %s: %w", path, err)
		}
		return path, config, nil
	}
	return "", nil, nil
}

func configPaths(getenv func(string) string) []string {
	var paths []string
	add := func(folder string, rest ...string) {
		if folder != "" {
			paths = append(paths, filepath.Join(append([]string{folder}, rest...)...))
		}
	}
	if dir := getenv("DOCKER_CONFIG"); dir != "" {
		add(dir, "config.json")
	} else {
		add(getenv("HOME"), ".docker", "config.json")
	}
	add(getenv("REGISTRY_AUTH_FILE"))
	add(getenv("XDG_RUNTIME_DIR"), "containers", "auth.json")
	return paths
}

// hubKey is what the login of the default registry is filed under.
const hubKey = "https://" + name.DefaultRegistry + "/v1/"

func (c *dockerConfig) find(ctx context.Context, host string) (Credentials, error) {
	key := host
	if host == name.DefaultRegistry {
		key = hubKey
	}
	if helper := c.CredHelpers[host]; helper != "" {
		return ask(ctx, helper, key)
	}
	for filed, entry := range c.Auths {
		if hostOf(filed) != host {
			continue
		}
		found := Credentials{User: entry.Username, Password: entry.Password, IdentityToken: entry.IdentityToken}
		if entry.Auth != "" {
			user, password, err := decode(entry.Auth)
			if err != nil {
				return found, fmt.Errorf("auths[%q]: %w", filed, err)
			}
			found.User, found.Password = user, password
		}
		if found != (Credentials{}) {
			return found, nil
		}
	}
	if c.CredsStore != "" {
		return ask(ctx, c.CredsStore, key)
	}
	return Credentials{}, nil
}

// hostOf is the host of a key, which may be a whole address.
func hostOf(key string) string {
	if _, rest, found := strings.Cut(key, "://"); found {
		key = rest
	}
	host, _, _ := strings.Cut(key, "/")
	return host
}

func decode(auth string) (user, password string, err error) {
	text, err := base64.StdEncoding.DecodeString(auth)
	if err != nil {
		return "", "", errors.New("auth is not base64: log in again")
	}
	user, password, found := strings.Cut(strings.TrimRight(string(text), "\x00"), ":")
	if !found {
		return "", "", errors.New("auth is not NAME:PASSWORD: log in again")
	}
	return user, password, nil
}

// unknown is what helpers say when they have nothing for a registry.
const unknown = "credentials not found in native keychain"

// ask runs a helper program. Helpers have a protocol: the registry on stdin, JSON on stdout.
func ask(ctx context.Context, helper, key string) (Credentials, error) {
	program := "docker-credential-" + helper
	cmd := exec.CommandContext(ctx, program, "get")
	cmd.Stdin = strings.NewReader(key)
	out, err := cmd.Output()
	if bytes.Contains(out, []byte(unknown)) {
		return Credentials{}, nil
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("%s get: %w: %s", program, err, bytes.TrimSpace(out))
	}
	var answer struct{ Username, Secret string }
	if err := json.Unmarshal(out, &answer); err != nil {
		return Credentials{}, fmt.Errorf("%s get: read answer: %w", program, err)
	}
	if answer.Username == "<token>" {
		return Credentials{IdentityToken: answer.Secret}, nil
	}
	return Credentials{User: answer.Username, Password: answer.Secret}, nil
}

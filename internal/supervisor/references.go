package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelton-dev/pelton/internal/function"
)

// configMapsDir is the folder beside a manifest that stands for the config maps of a cluster, as another one does for secrets.
const configMapsDir = ".pelton-configmaps"

// referenced reads the variables of a handler that come from secrets and config maps, and looks whether what it mounts is there.
// The error names everything that is missing.
func referenced(fn *function.Function) (env []string, err error) {
	var missing []error
	for _, v := range fn.Spec.Handler.Env {
		if v.ValueFrom == nil {
			continue
		}
		value, found, err := readReference(fn.Origin.Dir, v.ValueFrom)
		if err != nil {
			missing = append(missing, fmt.Errorf("read variable %s: %w", v.Name, err))
		} else if found {
			env = append(env, v.Name+"="+value)
		}
	}
	for _, m := range fn.Spec.Handler.Mounts {
		if info, err := os.Stat(m.Path); !m.Optional && (err != nil || !info.IsDir()) {
			missing = append(missing, fmt.Errorf("find mount %s: there is no such directory on this machine, "+
				"and one machine mounts nothing (make it, with a file for each key of %s)", m.Path, m.Secret+m.ConfigMap))
		}
	}
	return env, errors.Join(missing...)
}

// readReference reads one value. Only an optional one may be missing.
func readReference(dir string, from *function.ValueSource) (value string, found bool, err error) {
	var path, kind string
	ref := from.SecretKeyRef
	if ref != nil {
		path, kind = ref.SecretFile(dir), "secret"
	} else {
		ref, kind = from.ConfigMapKeyRef, "config map"
		path = filepath.Join(dir, configMapsDir, ref.Name, ref.Key)
	}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && ref.Optional:
		return "", false, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", false, fmt.Errorf("there is no key %s of %s %s on this machine (write the value into the file %s)",
			ref.Key, kind, ref.Name, path)
	case err != nil:
		return "", false, err
	case strings.Contains(string(text), "\x00"):
		return "", false, fmt.Errorf("%s has a NUL byte, which no process can be given (delete it)", path)
	}
	return string(text), true, nil
}

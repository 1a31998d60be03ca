package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// storeVersion is the layout of the state folder. A higher one was written by a newer pelton.
const storeVersion = 1

const storeFileName = "store.json"

// storeInfo is what the state folder says of itself. The limit is decided at the first start: streams reserve their share
// of it, which a later, smaller limit could not hold.
type storeInfo struct {
	Version  int   `json:"version"`
	MaxStore int64 `json:"maxStore"` // bytes
}

// openStateDir makes the state folder, which git shall not see.
func openStateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return badStateDir("cannot make the state folder", err)
	}
	ignore := filepath.Join(dir, ".gitignore")
	if err := os.WriteFile(ignore, []byte("*\n"), 0o600); err != nil {
		return badStateDir("cannot write to the state folder", err)
	}
	return nil
}

func badStateDir(message string, cause error) error {
	return &Error{
		Exit: ExitFailed, Message: message, Cause: cause, Hint: "choose another with --state-dir; with --ephemeral none is needed",
	}
}

// openStore returns how large the NATS store in the state folder may be.
func openStore(dir string) (int64, error) {
	path := filepath.Join(dir, storeFileName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newStore(dir)
	}
	if err != nil {
		return 0, fmt.Errorf("read state folder: %w", err)
	}
	var info storeInfo
	err = json.Unmarshal(data, &info)
	if err == nil && info.Version > storeVersion {
		return 0, &Error{
			Exit: ExitConflict,
			Message: fmt.Sprintf("state folder %s was written by a newer pelton (layout %d, this one knows %d)",
				dir, info.Version, storeVersion),
			Hint: "use the newer pelton, or another --state-dir",
		}
	}
	if err == nil && (info.Version < 1 || info.MaxStore <= 0) {
		err = errors.New("it has no version or no limit")
	}
	if err != nil {
		return 0, &Error{
			Exit: ExitFailed, Message: path + " is damaged", Cause: err,
			Hint: "delete that file: no event is lost, only how large the store may be is decided again",
		}
	}
	return info.MaxStore, nil
}

func newStore(dir string) (int64, error) {
	limit, err := storeLimit(dir)
	if err != nil {
		return 0, err
	}
	data, err := json.Marshal(storeInfo{storeVersion, limit})
	if err == nil {
		err = replaceFile(dir, storeFileName, append(data, '\n'))
	}
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", filepath.Join(dir, storeFileName), err)
	}
	return limit, nil
}

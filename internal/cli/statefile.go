package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	defaultStateDir = ".pelton"
	stateFileName   = "up.json"
)

// upState is what a running `pelton up` leaves in its state folder for the other commands.
type upState struct {
	PID           int       `json:"pid"`
	RunID         string    `json:"runID"` // marks the processes of this run
	Version       string    `json:"version"`
	NATSURL       string    `json:"natsURL"`
	HTTPURL       string    `json:"httpURL"`
	ControlSocket string    `json:"controlSocket"`
	StartedAt     time.Time `json:"startedAt"`
}

// alive says whether the process that wrote the state still answers.
func (s *upState) alive() bool {
	if err := syscall.Kill(s.PID, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	conn, err := net.DialTimeout("unix", s.ControlSocket, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// writeState replaces the state file.
func writeState(dir string, s *upState) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = replaceFile(dir, stateFileName, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write state file: %w", err)
	}
	return nil
}

// replaceFile writes a file in one step: a reader sees the old or the new one, never half of it, also after a power cut.
func replaceFile(dir, name string, data []byte) error {
	tmp, err := os.CreateTemp(dir, name+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return err
	}
	return syncDir(dir)
}

// syncDir makes what was renamed in a folder outlive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readState returns nil without an error if there is no state file.
func readState(dir string) (*upState, error) {
	path := filepath.Join(dir, stateFileName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state file: %w", err)
	}
	var s upState
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, &Error{
			Exit: ExitFailed, Message: path + " is damaged", Cause: err,
			Hint: "delete that file: it only tells where a running pelton up is; one that still runs must be started again",
		}
	}
	return &s, nil
}

// findState looks for a running `pelton up`: in the folder that was named, or in .pelton here or in a folder above. It
// returns nil if none runs.
func (a *app) findState() (*upState, error) {
	if a.stateDir != "" {
		return liveState(a.stateDir)
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find a running pelton up: %w", err)
	}
	for {
		s, err := liveState(filepath.Join(dir, defaultStateDir))
		if s != nil || err != nil {
			return s, err
		}
		above := filepath.Dir(dir)
		if above == dir {
			return nil, nil
		}
		dir = above
	}
}

// runningUp is findState for commands that only a running `pelton up` can answer: a NATS server knows nothing of processes.
func (a *app) runningUp() (*upState, error) {
	state, err := a.findState()
	if state != nil || err != nil {
		return state, err
	}
	e := &Error{
		Exit: ExitUnreachable, Message: "no pelton up runs here",
		Hint: "start it with `pelton up`, run this in its folder, or name its state folder with --state-dir",
	}
	if a.natsURL != "" {
		e.Message += ", and the NATS server of --nats cannot answer this: processes and manifests are known to pelton up alone"
		e.Hint = strings.Replace(e.Hint, "pelton up", "pelton up --nats URL", 1)
	}
	return nil, e
}

func liveState(dir string) (*upState, error) {
	s, err := readState(dir)
	if err != nil || s == nil || !s.alive() {
		return nil, err
	}
	return s, nil
}

package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// stateLock keeps a second `pelton up` away from a state folder. The system releases it when the process ends, however it
// ends.
type stateLock struct{ file *os.File }

// lockState takes the lock or returns an *Error that names the process that holds it.
func lockState(dir string) (*stateLock, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock state folder: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder, _ := io.ReadAll(io.LimitReader(file, 32))
		_ = file.Close()
		pid := strings.TrimSpace(string(holder))
		return nil, &Error{
			Exit:    ExitConflict,
			Message: fmt.Sprintf("state folder %s is in use by another pelton up (pid %s)", dir, pid),
			Hint:    "use the one that runs, stop it with `kill " + pid + "`, or choose another --state-dir",
		}
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock state folder: %w", err)
	}
	if err := writeHolder(file); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("write holder of state folder: %w", err)
	}
	return &stateLock{file}, nil
}

// writeHolder says in the lock file who holds it.
func writeHolder(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func (l *stateLock) release() { _ = l.file.Close() }

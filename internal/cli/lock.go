package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
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
	err = flock(file)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		pid := holder(file)
		_ = file.Close()
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

// flock takes the lock. It waits only for one that has outlived its holder: a child which that was just starting when it was
// killed has the file open until its exec.
func flock(file *os.File) error {
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(lockPause) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) || holderLives(file) {
			return err
		}
	}
}

const (
	lockPatience = 10 * time.Second
	lockPause    = 10 * time.Millisecond
)

// holder is the process that the lock file names.
func holder(file *os.File) string {
	text := make([]byte, 32)
	n, _ := file.ReadAt(text, 0)
	return strings.TrimSpace(string(text[:n]))
}

// holderLives also holds of a file without a name in it: its holder is about to write it.
func holderLives(file *os.File) bool {
	pid, err := strconv.Atoi(holder(file))
	return err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
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

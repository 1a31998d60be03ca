package scrub

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// mend replaces a block by one that the server can read to its end. The original is kept aside, and the index goes: the server
// makes another from the blocks.
func (s *streamScan) mend(b *block, marks map[int]uint64, end uint64, aside string) error {
	data, err := b.mended(s.name, marks, end)
	if err != nil {
		return err
	}
	folder := filepath.Join(aside, s.name)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make folder for damaged files: %w", err)
	}
	kept := filepath.Join(folder, filepath.Base(b.path))
	if err := copyFile(b.path, kept); err != nil {
		return fmt.Errorf("keep damaged file: %w", err)
	}
	return s.replace(b.path, data)
}

// replaceMissing makes a block that says no more than that its messages are gone.
func (s *streamScan) replaceMissing(path string, e extent) error {
	h, err := hasher(s.name, e.number)
	if err != nil {
		return err
	}
	return s.replace(path, mark(e.last, uint64(time.Now().UnixNano()), h))
}

// replace writes a block in one step, and takes the index away.
func (s *streamScan) replace(path string, data []byte) error {
	next := path + ".mended"
	if err := writeSynced(next, data); err != nil {
		return fmt.Errorf("mend block: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("mend block: %w", err)
	}
	if err := os.Remove(s.path(indexName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove index: %w", err)
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeSynced(to, data)
}

func writeSynced(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}

package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// WriteFile writes the archive. The file appears whole or not at all.
func (i *Image) WriteFile(path string) error {
	if err := i.writeFile(path); err != nil {
		return fmt.Errorf("write image %s: %w", i.tag, err)
	}
	return nil
}

func (i *Image) writeFile(path string) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // is gone by then if all went well
	err = tarball.Write(i.tag, i.Image, file)
	if err := errors.Join(err, file.Chmod(0o644), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

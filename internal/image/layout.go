package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// layoutMarker is the file that makes a directory an OCI layout.
const layoutMarker = "oci-layout"

// ErrOccupied is the cause where a layout would take the place of something else.
var ErrOccupied = errors.New("there is something that is no OCI layout")

// WriteLayout writes the release as an OCI layout, a directory. It appears whole or not at all: a layout that was there
// before is replaced, anything else is left alone.
func (r *Release) WriteLayout(dir string) error {
	if err := r.writeLayout(filepath.Clean(dir)); err != nil {
		return fmt.Errorf("write layout %s: %w", dir, err)
	}
	return nil
}

func (r *Release) writeLayout(dir string) error {
	if err := replaceable(dir); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(fresh) }() // is empty or gone by then if all went well
	content := filepath.Join(fresh, "new")
	path, err := layout.Write(content, empty.Index)
	if err != nil {
		return err
	}
	if r.index != nil {
		err = path.AppendIndex(r.index, r.annotations())
	} else {
		err = path.AppendImage(r.images[0].Image, r.annotations())
	}
	if err != nil {
		return err
	}
	return swap(content, dir, filepath.Join(fresh, "old"))
}

// annotations are how containerd, and others, find out what the content of a layout is called.
func (r *Release) annotations() layout.Option {
	return layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": r.tag.TagStr(), "io.containerd.image.name": r.tag.Name(),
	})
}

// replaceable reports whether a layout may be written to a path: nothing, an empty directory, or a layout is there.
func replaceable(dir string) error {
	switch entries, err := os.ReadDir(dir); {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(entries) == 0:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return err
	case err != nil:
		return ErrOccupied
	}
	if _, err := os.Stat(filepath.Join(dir, layoutMarker)); err != nil {
		return ErrOccupied
	}
	return nil
}

// swap puts a directory into a place. What was there before goes aside, and comes back if the new one cannot be put there.
func swap(fresh, place, aside string) error {
	err := os.Rename(place, aside)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	had := err == nil
	if err := os.Rename(fresh, place); err != nil {
		if had {
			err = errors.Join(err, os.Rename(aside, place))
		}
		return err
	}
	return nil
}

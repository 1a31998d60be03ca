package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Scratch is the name of the base that has nothing in it.
const Scratch = "scratch"

// Puller gets images from registries.
type Puller interface {
	// Image returns the image that a reference stands for on a platform. A *PlatformError says that there is none.
	Image(ctx context.Context, reference string, platform v1.Platform) (v1.Image, error)
}

// PlatformError says that a base is not made for a platform.
type PlatformError struct {
	Want v1.Platform
	Have []v1.Platform
}

// Error names the platform that is wanted and those that are there.
func (e *PlatformError) Error() string {
	var have []string
	for _, p := range e.Have {
		have = append(have, p.String())
	}
	return fmt.Sprintf("it is not made for %s, only for %s", e.Want, strings.Join(have, ", "))
}

// OpenBase returns the image to build on for a platform. It is the path of an OCI layout or of an archive that `docker save` or
// WriteFile wrote, Scratch, or else a reference for the puller. For Scratch the image is nil.
func OpenBase(ctx context.Context, from string, platform v1.Platform, puller Puller) (v1.Image, error) {
	img, err := openBase(ctx, from, platform, puller)
	if err != nil {
		return nil, fmt.Errorf("open base %s: %w", from, err)
	}
	return img, nil
}

func openBase(ctx context.Context, from string, platform v1.Platform, puller Puller) (v1.Image, error) {
	if from == Scratch {
		return nil, nil
	}
	info, err := os.Stat(from)
	switch {
	case err == nil && info.IsDir():
		return fromLayout(from, platform)
	case err == nil && info.Mode().IsRegular():
		return fromArchive(from, platform)
	case err == nil:
		return nil, errors.New("want an OCI layout, an archive, or the reference of an image")
	case looksLikePath(from):
		return nil, err
	}
	return puller.Image(ctx, from, platform)
}

// looksLikePath tells a path that does not exist from a reference: no reference begins or ends like this.
func looksLikePath(from string) bool {
	return filepath.IsAbs(from) || strings.HasPrefix(from, ".") || strings.HasSuffix(from, ".tar")
}

func fromArchive(path string, want v1.Platform) (v1.Image, error) {
	img, err := tarball.ImageFromPath(path, nil)
	if err != nil {
		return nil, fmt.Errorf("want an archive as docker save writes it, with one image: %w", err)
	}
	return Check(img, want)
}

// Check returns the image if it is for the platform. A *PlatformError says that it is not.
func Check(img v1.Image, want v1.Platform) (v1.Image, error) {
	have, err := platformOf(img)
	if err != nil {
		return nil, err
	}
	if !suits(have, want) {
		return nil, &PlatformError{Want: want, Have: []v1.Platform{have}}
	}
	return img, nil
}

func fromLayout(dir string, want v1.Platform) (v1.Image, error) {
	if _, err := os.Stat(filepath.Join(dir, layoutMarker)); err != nil {
		return nil, fmt.Errorf("the directory has no file %s: want an OCI layout", layoutMarker)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	return Choose(index, want)
}

// Choose returns the image of an index, or of an index in it, that is for a platform. A *PlatformError says that there is none.
func Choose(index v1.ImageIndex, want v1.Platform) (v1.Image, error) {
	have, found, err := search(index, want, maxNesting)
	if err != nil || found != nil {
		return found, err
	}
	if len(have) == 0 {
		return nil, errors.New("there is no image in it")
	}
	return nil, &PlatformError{Want: want, Have: have}
}

// maxNesting is how many indexes may be in one another: a layout has one around that of the image.
const maxNesting = 3

// search also returns the platforms that it met.
func search(index v1.ImageIndex, want v1.Platform, depth int) (have []v1.Platform, found v1.Image, err error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, nil, fmt.Errorf("read index: %w", err)
	}
	for _, d := range manifest.Manifests {
		switch {
		case d.MediaType.IsIndex() && depth > 1:
			inner, err := index.ImageIndex(d.Digest)
			if err != nil {
				return have, nil, fmt.Errorf("read index %s: %w", d.Digest, err)
			}
			more, found, err := search(inner, want, depth-1)
			if have = append(have, more...); err != nil || found != nil {
				return have, found, err
			}
		case d.MediaType.IsImage():
			platform, img, err := member(index, d)
			if err != nil {
				return have, nil, err
			}
			if platform.OS == "unknown" { // what build tools attest of an image, not an image
				continue
			}
			if have = append(have, platform); suits(platform, want) {
				return have, img, nil
			}
		}
	}
	return have, nil, nil
}

func member(index v1.ImageIndex, d v1.Descriptor) (v1.Platform, v1.Image, error) {
	img, err := index.Image(d.Digest)
	if err != nil {
		return v1.Platform{}, nil, fmt.Errorf("read image %s: %w", d.Digest, err)
	}
	if d.Platform != nil && d.Platform.Architecture != "" {
		return *d.Platform, img, nil
	}
	platform, err := platformOf(img)
	return platform, img, err
}

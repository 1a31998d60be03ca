package image

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Release is what one name stands for: an image, or an index with one image for each of several platforms.
type Release struct {
	tag    name.Tag
	images []*Image
	index  v1.ImageIndex // nil for a single image
}

// Join makes a release of images that have the same name and are for different platforms.
func Join(images ...*Image) (*Release, error) {
	if len(images) == 0 {
		return nil, errors.New("join images: there are none")
	}
	r := &Release{tag: images[0].tag, images: images}
	if len(images) == 1 {
		return r, nil
	}
	var members []mutate.IndexAddendum
	for i, img := range images {
		p, err := platformOf(img)
		if err != nil {
			return nil, err
		}
		if img.tag != r.tag {
			return nil, fmt.Errorf("join images: %s and %s have different names", r.tag, img.tag)
		}
		for _, other := range members {
			if suits(*other.Platform, p) {
				return nil, fmt.Errorf("join images: two are for %s (image %d)", p, i+1)
			}
		}
		members = append(members, mutate.IndexAddendum{Add: img.Image, Descriptor: v1.Descriptor{Platform: &p}})
	}
	r.index = mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), members...)
	return r, nil
}

// platformOf says what an image runs on.
func platformOf(img v1.Image) (v1.Platform, error) {
	file, err := img.ConfigFile()
	if err != nil {
		return v1.Platform{}, fmt.Errorf("read image config: %w", err)
	}
	return v1.Platform{OS: file.OS, Architecture: file.Architecture, Variant: file.Variant}, nil
}

// Name is the reference of the release.
func (r *Release) Name() string { return r.tag.String() }

// Digest is what the release is known by in a registry and in a layout.
func (r *Release) Digest() (v1.Hash, error) {
	if r.index != nil {
		return r.index.Digest()
	}
	return r.images[0].Digest()
}

// Part is one image of a release.
type Part struct {
	Platform v1.Platform
	Digest   v1.Hash
	// Size is what a registry has to hold of it, the base included.
	Size int64
}

// Parts are the images in the order in which they were joined.
func (r *Release) Parts() ([]Part, error) {
	var parts []Part
	for _, img := range r.images {
		platform, err := platformOf(img)
		if err != nil {
			return nil, err
		}
		manifest, err := img.Manifest()
		if err != nil {
			return nil, fmt.Errorf("read manifest: %w", err)
		}
		digest, err := img.Digest()
		if err != nil {
			return nil, fmt.Errorf("read digest: %w", err)
		}
		part := Part{Platform: platform, Digest: digest, Size: manifest.Config.Size}
		for _, layer := range manifest.Layers {
			part.Size += layer.Size
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// WriteFile writes the archive of a release for one platform: an archive has no place for more. The file appears whole or not
// at all.
func (r *Release) WriteFile(path string) error {
	if r.index != nil {
		return fmt.Errorf("write image %s: an archive holds one platform, not %d: write an OCI layout", r.tag, len(r.images))
	}
	return r.images[0].WriteFile(path)
}

// Pusher writes to registries.
type Pusher interface {
	// Push writes images and, if it is not nil, the index that names them.
	Push(ctx context.Context, tag name.Tag, images []v1.Image, index v1.ImageIndex) error
}

// Push writes the release to the registry that its name begins with.
func (r *Release) Push(ctx context.Context, pusher Pusher) error {
	var images []v1.Image
	for _, img := range r.images {
		images = append(images, img.Image)
	}
	return pusher.Push(ctx, r.tag, images, r.index)
}

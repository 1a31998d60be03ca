package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Stack puts the layers of one image on another. The result starts what the upper one starts. All other settings are the lower
// one's; variables of the upper are added where the lower has none of that name.
func Stack(lower, upper v1.Image) (v1.Image, error) {
	if lower == nil || upper == nil {
		return nil, errors.New("stack images: one has nothing in it")
	}
	layers, err := upper.Layers()
	if err != nil {
		return nil, fmt.Errorf("read layers: %w", err)
	}
	top, err := upper.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read image config: %w", err)
	}
	var additions []mutate.Addendum
	for _, layer := range layers {
		additions = append(additions, mutate.Addendum{
			Layer: layer, MediaType: stackedType(layer, lower),
			History: v1.History{CreatedBy: "pelton", Created: v1.Time{Time: epoch}},
		})
	}
	stacked, err := mutate.Append(lower, additions...)
	if err != nil {
		return nil, fmt.Errorf("append layers: %w", err)
	}
	old, err := stacked.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read image config: %w", err)
	}
	file := old.DeepCopy()
	file.Config.Entrypoint, file.Config.Cmd = slices.Clone(top.Config.Entrypoint), slices.Clone(top.Config.Cmd)
	if file.Config.Env, err = environment(top.Config.Env, file.Config.Env); err != nil {
		return nil, err
	}
	out, err := mutate.ConfigFile(stacked, file)
	if err != nil {
		return nil, fmt.Errorf("write image config: %w", err)
	}
	return out, nil
}

// stackedType makes the type of a layer one of the family of the image below. The bytes of the two usual ones are the same.
func stackedType(layer v1.Layer, lower v1.Image) types.MediaType {
	mediaType, err := layer.MediaType()
	if err == nil && mediaType != types.DockerLayer && mediaType != types.OCILayer {
		return mediaType
	}
	return layerType(lower)
}

// HasFile reports whether any layer of an image has a file or link of which the given function says yes.
func HasFile(img v1.Image, yes func(name string) bool) (bool, error) {
	layers, err := img.Layers()
	if err != nil {
		return false, fmt.Errorf("read layers: %w", err)
	}
	for _, layer := range layers {
		found, err := layerHasFile(layer, yes)
		if err != nil || found {
			return found, err
		}
	}
	return false, nil
}

func layerHasFile(layer v1.Layer, yes func(name string) bool) (bool, error) {
	content, err := layer.Uncompressed()
	if err != nil {
		return false, fmt.Errorf("read layer: %w", err)
	}
	defer content.Close()
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read layer: %w", err)
		}
		if header.Typeflag != tar.TypeDir && yes(header.Name) {
			return true, nil
		}
	}
}

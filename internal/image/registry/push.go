package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
)

// parallel is how many layers travel at once.
const parallel = 4

// manifest is an image or an index.
type manifest interface {
	MediaType() (types.MediaType, error)
	RawManifest() ([]byte, error)
	Digest() (v1.Hash, error)
}

// Push writes images and, if there is one, the index that names them. What the registry has already is not sent again. The tag
// moves last: until then nobody sees anything.
func (c *Client) Push(ctx context.Context, tag name.Tag, images []v1.Image, index v1.ImageIndex) error {
	w := &writer{session: c.session(tag.Context(), actionPush)}
	for _, img := range images {
		if err := w.blobs(ctx, img); err != nil {
			return fmt.Errorf("push %s: %w", tag, err)
		}
	}
	if err := w.manifests(ctx, tag, images, index); err != nil {
		return fmt.Errorf("push %s: %w", tag, err)
	}
	return nil
}

// manifests come after the blobs that they name. The last one gets the tag; the others are known by their digests.
func (w *writer) manifests(ctx context.Context, tag name.Tag, images []v1.Image, index v1.ImageIndex) error {
	if index == nil {
		return w.manifest(ctx, tag.TagStr(), images[0])
	}
	for _, img := range images {
		digest, err := img.Digest()
		if err != nil {
			return err
		}
		if err := w.manifest(ctx, digest.String(), img); err != nil {
			return err
		}
	}
	return w.manifest(ctx, tag.TagStr(), index)
}

// writer writes to one repository.
type writer struct{ session *session }

func (w *writer) manifest(ctx context.Context, identifier string, m manifest) error {
	raw, err := m.RawManifest()
	if err != nil {
		return fmt.Errorf("make manifest: %w", err)
	}
	mediaType, err := m.MediaType()
	if err != nil {
		return fmt.Errorf("make manifest: %w", err)
	}
	put := request{
		method: http.MethodPut, url: w.session.at("manifests/" + identifier), size: int64(len(raw)),
		header: http.Header{"Content-Type": {string(mediaType)}},
		body:   func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil },
	}
	err = w.session.retry(ctx, func() error { return w.discard(ctx, put, http.StatusCreated, http.StatusOK) })
	if err != nil {
		return fmt.Errorf("write manifest %s: %w", identifier, err)
	}
	return nil
}

// discard sends a request of whose answer only the code matters.
func (w *writer) discard(ctx context.Context, r request, want ...int) error {
	resp, err := w.session.do(ctx, r, want...)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// blobs writes the layers and the config of an image.
func (w *writer) blobs(ctx context.Context, img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return fmt.Errorf("read layers: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	sent := map[v1.Hash]bool{}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return errors.Join(fmt.Errorf("read layer: %w", err), group.Wait())
		}
		size, err := layer.Size()
		if err != nil {
			return errors.Join(fmt.Errorf("read layer %s: %w", digest, err), group.Wait())
		}
		if !sent[digest] {
			sent[digest] = true
			group.Go(func() error { return w.blob(ctx, digest, size, layer.Compressed) })
		}
	}
	group.Go(func() error { return w.config(ctx, img) })
	return group.Wait()
}

func (w *writer) config(ctx context.Context, img v1.Image) error {
	raw, err := img.RawConfigFile()
	if err != nil {
		return fmt.Errorf("read image config: %w", err)
	}
	digest, err := img.ConfigName()
	if err != nil {
		return fmt.Errorf("read image config: %w", err)
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }
	return w.blob(ctx, digest, int64(len(raw)), open)
}

// blob writes a blob unless it is there. An upload that broke begins anew.
func (w *writer) blob(ctx context.Context, digest v1.Hash, size int64, open func() (io.ReadCloser, error)) error {
	err := w.session.retry(ctx, func() error {
		there, err := w.has(ctx, digest)
		if err != nil || there {
			return err
		}
		return w.upload(ctx, digest, size, open)
	})
	if err != nil {
		return fmt.Errorf("write blob %s: %w", digest, err)
	}
	return nil
}

// has reports whether a blob is there. An answer to HEAD has no words: a refusal is left to the upload, which hears the reason.
func (w *writer) has(ctx context.Context, digest v1.Hash) (bool, error) {
	resp, err := w.session.do(ctx, request{method: http.MethodHead, url: w.session.at("blobs/" + digest.String())},
		http.StatusOK, http.StatusNotFound, http.StatusForbidden)
	if err != nil {
		return false, err
	}
	return resp.StatusCode == http.StatusOK, resp.Body.Close()
}

// upload sends a blob as Docker does, in one piece: every registry takes that.
func (w *writer) upload(ctx context.Context, digest v1.Hash, size int64, open func() (io.ReadCloser, error)) error {
	place, err := w.step(ctx, request{method: http.MethodPost, url: w.session.at("blobs/uploads/")})
	if err != nil {
		return err
	}
	piece := request{
		method: http.MethodPatch, url: place.String(), body: open, size: size,
		header: http.Header{"Content-Type": {"application/octet-stream"}},
	}
	if place, err = w.step(ctx, piece); err != nil {
		return err
	}
	query := place.Query()
	query.Set("digest", digest.String())
	place.RawQuery = query.Encode()
	return w.discard(ctx, request{method: http.MethodPut, url: place.String()}, http.StatusCreated)
}

// step does a part of an upload and returns where the next part goes.
func (w *writer) step(ctx context.Context, r request) (*url.URL, error) {
	resp, err := w.session.do(ctx, r, http.StatusAccepted, http.StatusNoContent, http.StatusCreated)
	if err != nil {
		return nil, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	location := resp.Header.Get("Location")
	if location == "" {
		return nil, fmt.Errorf("registry %s does not say where to upload to", w.session.repo.RegistryStr())
	}
	return resp.Request.URL.Parse(location)
}

package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pelton-dev/pelton/internal/image"
)

// accepted are the manifests that we can read.
var accepted = strings.Join([]string{
	string(types.OCIManifestSchema1), string(types.OCIImageIndex),
	string(types.DockerManifestSchema2), string(types.DockerManifestList),
}, ", ")

// maxManifest bounds what is read as a manifest or a config: more is not one.
const maxManifest = 8 << 20

// Image returns the image that a reference stands for on a platform. Its layers are fetched when they are read, and checked
// against their digests then: ctx must not end before.
func (c *Client) Image(ctx context.Context, reference string, platform v1.Platform) (v1.Image, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, fmt.Errorf("want a reference such as example.com/base:1, or a path that exists: %w", err)
	}
	r := &reader{ctx: ctx, session: c.session(ref.Context(), actionPull)}
	raw, mediaType, err := r.manifest(ref.Identifier())
	if err != nil {
		return nil, err
	}
	if mediaType.IsIndex() {
		return image.Choose(&remoteIndex{r, raw, mediaType}, platform)
	}
	img, err := r.image(raw, mediaType)
	if err != nil {
		return nil, err
	}
	return image.Check(img, platform)
}

// reader reads from one repository. It keeps its context, as the methods of images take none: they are read while one call
// lasts.
type reader struct {
	ctx     context.Context
	session *session
}

// manifest returns what a tag or digest names. For a digest it is checked.
func (r *reader) manifest(identifier string) (raw []byte, mediaType types.MediaType, err error) {
	err = r.session.retry(r.ctx, func() error {
		resp, err := r.session.do(r.ctx, request{
			method: http.MethodGet, url: r.session.at("manifests/" + identifier), header: http.Header{"Accept": {accepted}},
		}, http.StatusOK)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		mediaType = types.MediaType(resp.Header.Get("Content-Type"))
		raw, err = limited(resp.Body)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("read manifest %s: %w", identifier, err)
	}
	if hash, err := v1.NewHash(identifier); err == nil {
		if err := matches(raw, hash); err != nil {
			return nil, "", fmt.Errorf("read manifest %s: %w", identifier, err)
		}
	}
	return raw, typeOf(raw, mediaType), nil
}

// typeOf is the type that a manifest says itself: the header may have been rewritten on the way.
func typeOf(raw []byte, header types.MediaType) types.MediaType {
	var own struct {
		MediaType types.MediaType `json:"mediaType"`
	}
	if json.Unmarshal(raw, &own) == nil && own.MediaType != "" {
		return own.MediaType
	}
	return header
}

func limited(from io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(from, maxManifest+1))
	if err == nil && len(raw) > maxManifest {
		err = fmt.Errorf("it has more than %d bytes", maxManifest)
	}
	return raw, err
}

func matches(raw []byte, want v1.Hash) error {
	got, _, err := v1.SHA256(bytes.NewReader(raw))
	if err == nil && got != want {
		err = fmt.Errorf("its digest is %s, want %s", got, want)
	}
	return err
}

func (r *reader) image(raw []byte, mediaType types.MediaType) (v1.Image, error) {
	if !mediaType.IsImage() {
		return nil, fmt.Errorf("it is no image: its type is %q", mediaType)
	}
	manifest, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	return partial.CompressedToImage(&remoteImage{r: r, raw: raw, mediaType: mediaType, manifest: manifest})
}

// remoteIndex is an index in a registry.
type remoteIndex struct {
	r         *reader
	raw       []byte
	mediaType types.MediaType
}

var _ v1.ImageIndex = (*remoteIndex)(nil)

// MediaType implements v1.ImageIndex.
func (i *remoteIndex) MediaType() (types.MediaType, error) { return i.mediaType, nil }

// Digest implements v1.ImageIndex.
func (i *remoteIndex) Digest() (v1.Hash, error) { return partial.Digest(i) }

// Size implements v1.ImageIndex.
func (i *remoteIndex) Size() (int64, error) { return int64(len(i.raw)), nil }

// RawManifest implements v1.ImageIndex.
func (i *remoteIndex) RawManifest() ([]byte, error) { return i.raw, nil }

// IndexManifest implements v1.ImageIndex.
func (i *remoteIndex) IndexManifest() (*v1.IndexManifest, error) {
	return v1.ParseIndexManifest(bytes.NewReader(i.raw))
}

// Image implements v1.ImageIndex.
func (i *remoteIndex) Image(digest v1.Hash) (v1.Image, error) {
	raw, mediaType, err := i.r.manifest(digest.String())
	if err != nil {
		return nil, err
	}
	return i.r.image(raw, mediaType)
}

// ImageIndex implements v1.ImageIndex.
func (i *remoteIndex) ImageIndex(digest v1.Hash) (v1.ImageIndex, error) {
	raw, mediaType, err := i.r.manifest(digest.String())
	if err != nil {
		return nil, err
	}
	return &remoteIndex{i.r, raw, mediaType}, nil
}

package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// remoteImage is an image in a registry.
type remoteImage struct {
	r         *reader
	raw       []byte
	mediaType types.MediaType
	manifest  *v1.Manifest

	mu     sync.Mutex // guards config
	config []byte
}

var _ partial.CompressedImageCore = (*remoteImage)(nil)

// RawManifest implements partial.CompressedImageCore.
func (i *remoteImage) RawManifest() ([]byte, error) { return i.raw, nil }

// MediaType implements partial.CompressedImageCore.
func (i *remoteImage) MediaType() (types.MediaType, error) { return i.mediaType, nil }

// RawConfigFile implements partial.CompressedImageCore.
func (i *remoteImage) RawConfigFile() ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.config != nil {
		return i.config, nil
	}
	var raw []byte
	err := i.r.session.retry(i.r.ctx, func() error {
		blob, err := i.r.blob(i.manifest.Config)
		if err != nil {
			return err
		}
		defer blob.Close()
		raw, err = limited(blob)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read image config: %w", err)
	}
	i.config = raw
	return raw, nil
}

// LayerByDigest implements partial.CompressedImageCore.
func (i *remoteImage) LayerByDigest(digest v1.Hash) (partial.CompressedLayer, error) {
	if digest == i.manifest.Config.Digest {
		return partial.ConfigLayer(i)
	}
	for _, d := range i.manifest.Layers {
		if d.Digest == digest {
			return &remoteLayer{i.r, d}, nil
		}
	}
	return nil, fmt.Errorf("there is no layer %s", digest)
}

// remoteLayer is a layer in a registry.
type remoteLayer struct {
	r *reader
	d v1.Descriptor
}

// Digest implements partial.CompressedLayer.
func (l *remoteLayer) Digest() (v1.Hash, error) { return l.d.Digest, nil }

// Size implements partial.CompressedLayer.
func (l *remoteLayer) Size() (int64, error) { return l.d.Size, nil }

// MediaType implements partial.CompressedLayer.
func (l *remoteLayer) MediaType() (types.MediaType, error) { return l.d.MediaType, nil }

// Compressed implements partial.CompressedLayer.
func (l *remoteLayer) Compressed() (blob io.ReadCloser, err error) {
	err = l.r.session.retry(l.r.ctx, func() error {
		blob, err = l.r.blob(l.d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read layer %s: %w", l.d.Digest, err)
	}
	return blob, nil
}

// blob opens a blob, whose reader fails where it is not what its descriptor says.
func (r *reader) blob(d v1.Descriptor) (io.ReadCloser, error) {
	resp, err := r.session.do(r.ctx, request{
		method: http.MethodGet, url: r.session.at("blobs/" + d.Digest.String()),
	}, http.StatusOK)
	if err != nil {
		return nil, err
	}
	return &verified{ReadCloser: resp.Body, want: d, sum: sha256.New()}, nil
}

// verified reads a blob and compares it to its descriptor at the end, or as soon as it is too long.
type verified struct {
	io.ReadCloser
	want v1.Descriptor
	sum  hash.Hash
	size int64
}

// Read implements io.Reader.
func (v *verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	_, _ = v.sum.Write(p[:n])
	if v.size += int64(n); v.size > v.want.Size {
		return n, fmt.Errorf("blob %s has more than its %d bytes", v.want.Digest, v.want.Size)
	}
	if err != io.EOF { //nolint:errorlint // a reader returns exactly this
		return n, err
	}
	if v.size < v.want.Size {
		return n, io.ErrUnexpectedEOF
	}
	if got := hex.EncodeToString(v.sum.Sum(nil)); got != v.want.Digest.Hex {
		return n, fmt.Errorf("blob %s is damaged: its digest is sha256:%s", v.want.Digest, got)
	}
	return n, io.EOF
}

package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"image"
	_ "image/gif" // the formats that can be read
	"image/jpeg"
	_ "image/png"
	"io"
	"io/fs"
	"path"
	"strings"
	"unicode"

	"github.com/pelton-dev/pelton/functions"
)

const (
	maxBytes  = 32 << 20   // of a picture's file
	maxPixels = 50_000_000 // a small file can claim to be a huge picture
)

// request is the data of an event. Path names a picture; Image is one, as base64.
type request struct {
	Path  string `json:"path"`
	Name  string `json:"name"`
	Image []byte `json:"image"`
}

// source is a picture and the name its thumbnail gets.
type source struct {
	name    string
	picture image.Image
}

// read finds and decodes the picture. What no second attempt can mend is rejected.
func (t *thumbnailer) read(data []byte) (source, error) {
	var r request
	if err := json.Unmarshal(data, &r); err != nil {
		return source{}, functions.Reject(fmt.Sprintf("data is not a request for a thumbnail: %v", err))
	}
	name, file := path.Base(r.Name), r.Image
	switch {
	case r.Path != "" && r.Image == nil:
		name = path.Base(r.Path)
		var err error
		if file, err = t.load(r.Path); err != nil {
			return source{}, err
		}
	case r.Path != "" || r.Image == nil || r.Name == "":
		return source{}, functions.Reject(`want data with either "path", or "image" and "name"`)
	}
	if !validName(name) {
		return source{}, functions.Reject(fmt.Sprintf("%q cannot be the name of a file", name))
	}
	picture, err := decode(file)
	if err != nil {
		return source{}, functions.Reject(fmt.Sprintf("picture %q: %v", name, err))
	}
	return source{name: name, picture: picture}, nil
}

func validName(name string) bool {
	return fs.ValidPath(name) && name != "." && len(name) <= 200 && !strings.ContainsFunc(name, unicode.IsControl)
}

// load reads a plain file in the input folder.
func (t *thumbnailer) load(name string) ([]byte, error) {
	info, err := t.in.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil, functions.Reject(fmt.Sprintf("there is no picture %q in the input folder", name))
	}
	f, err := t.in.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open picture: %w", err)
	}
	defer func() { _ = f.Close() }()
	file, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	return file, nil
}

// decode reads a JPEG, PNG or GIF file of a bearable size.
func decode(file []byte) (image.Image, error) {
	if len(file) > maxBytes {
		return nil, fmt.Errorf("larger than %d bytes", maxBytes)
	}
	config, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	if config.Width < 1 || config.Height < 1 || config.Width > maxPixels/config.Height {
		return nil, fmt.Errorf("%dx%d pixels are too many", config.Width, config.Height)
	}
	picture, _, err := image.Decode(bytes.NewReader(file))
	return picture, err
}

// write stores a thumbnail so that nobody ever sees half of it.
func (t *thumbnailer) write(name string, picture image.Image) error {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: 85}); err != nil {
		return fmt.Errorf("encode thumbnail: %w", err)
	}
	partial := ".partial-" + rand.Text() // of our own: the same picture may be asked for twice at once
	err := t.out.WriteFile(partial, b.Bytes(), 0o644)
	if err == nil {
		err = t.out.Rename(partial, name)
	}
	if err != nil {
		_ = t.out.Remove(partial)
		return fmt.Errorf("write thumbnail: %w", err)
	}
	return nil
}

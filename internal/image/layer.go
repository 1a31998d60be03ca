package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// entry is a file with everything known about it.
type entry struct {
	name   string // as in the archive: no slash in front, one behind a directory
	mode   fs.FileMode
	data   []byte
	source string // the file that the content is in, if it is not data
	size   int64
	link   string // what a symbolic link says
}

// newLayer makes one layer of files: sorted, with the directories they need, all at the same time and of root. Its content is
// held in memory: it is read again for each place that it is written to, and the files may have changed by then.
func newLayer(files []File, mediaType types.MediaType) (v1.Layer, error) {
	entries, err := resolve(files)
	if err != nil {
		return nil, err
	}
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		if err := add(archive, entries[name]); err != nil {
			return nil, fmt.Errorf("add /%s: %w", name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return nil, fmt.Errorf("end layer: %w", err)
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil }
	// Images are loaded next door far more often than they travel: packing hard would take longer than it saves.
	layer, err := tarball.LayerFromOpener(open,
		tarball.WithCompressionLevel(gzip.BestSpeed), tarball.WithMediaType(mediaType))
	if err != nil {
		return nil, fmt.Errorf("make layer: %w", err)
	}
	return layer, nil
}

func add(archive *tar.Writer, e entry) error {
	header := &tar.Header{
		Name: e.name, Size: e.size, ModTime: epoch, Format: tar.FormatPAX, Linkname: e.link,
		Mode: unixMode(e.mode), Typeflag: tar.TypeReg,
	}
	switch {
	case e.mode.IsDir():
		header.Typeflag = tar.TypeDir
	case e.link != "":
		header.Typeflag = tar.TypeSymlink
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	if e.source != "" {
		return addSource(archive, e)
	}
	_, err := archive.Write(e.data)
	return err
}

// addSource copies as many bytes as the file had when it was looked at.
func addSource(archive *tar.Writer, e entry) error {
	file, err := os.Open(e.source)
	if err != nil {
		return err
	}
	defer file.Close()
	switch n, err := io.CopyN(archive, file, e.size); {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s has changed while it was read: %d bytes of %d", e.source, n, e.size)
	case err != nil:
		return err
	}
	return nil
}

// resolve looks at all files and adds the directories above them. All that is wrong is reported at once.
func resolve(files []File) (map[string]entry, error) {
	entries := map[string]entry{}
	var problems []error
	for _, file := range files {
		e, err := read(file)
		switch _, twice := entries[e.name]; {
		case err != nil:
			problems = append(problems, fmt.Errorf("file %q: %w", file.Path, err))
		case twice:
			problems = append(problems, fmt.Errorf("file %q: the path is there twice", file.Path))
		default:
			entries[e.name] = e
		}
	}
	for _, name := range slices.Collect(maps.Keys(entries)) {
		problems = append(problems, addParents(entries, name))
	}
	return entries, errors.Join(problems...)
}

func addParents(entries map[string]entry, name string) error {
	for dir := path.Dir(strings.TrimSuffix(name, "/")); dir != "."; dir = path.Dir(dir) {
		if _, file := entries[dir]; file {
			return fmt.Errorf("file %q: /%s is a file, not a directory", "/"+name, dir)
		}
		if _, there := entries[dir+"/"]; !there {
			entries[dir+"/"] = entry{name: dir + "/", mode: fs.ModeDir | 0o755}
		}
	}
	return nil
}

func read(file File) (entry, error) {
	name := strings.TrimPrefix(file.Path, "/")
	if clean := path.Clean(name); name == "" || clean != strings.TrimSuffix(name, "/") || !fs.ValidPath(clean) {
		return entry{}, errors.New("want a path inside the image, such as /app/handler")
	}
	e := entry{name: name, mode: file.Mode, data: file.Data, size: int64(len(file.Data)), link: file.Link}
	switch {
	case file.Link != "" && (file.Source != "" || file.Data != nil || file.Mode.IsDir()):
		return entry{}, errors.New("a link has no content")
	case file.Mode.IsDir() && (file.Source != "" || len(file.Data) > 0):
		return entry{}, errors.New("a directory has no content")
	case file.Mode.IsDir():
		e.name = strings.TrimSuffix(name, "/") + "/"
	case strings.HasSuffix(name, "/"):
		return entry{}, errors.New("a path that ends in a slash needs the mode of a directory")
	case file.Link != "":
		e.mode = 0o777
	case file.Source != "" && file.Data != nil:
		return entry{}, errors.New("both a source and data: want one")
	case file.Source != "":
		return fromSource(e, file.Source)
	case file.Mode == 0:
		e.mode = 0o644
	}
	return e, nil
}

func fromSource(e entry, source string) (entry, error) {
	info, err := os.Stat(source)
	if err != nil {
		return entry{}, err
	}
	if !info.Mode().IsRegular() {
		return entry{}, fmt.Errorf("source %s is not a regular file", source)
	}
	if e.mode == 0 {
		e.mode = info.Mode().Perm()
	}
	e.source, e.size = source, info.Size()
	return e, nil
}

// unixMode turns Go's mode bits into those of an archive.
func unixMode(mode fs.FileMode) int64 {
	bits := int64(mode.Perm())
	for flag, bit := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&flag != 0 {
			bits |= bit
		}
	}
	return bits
}

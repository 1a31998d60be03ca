// Command thumbnails makes a small copy of a picture. Its events name the picture, or bring it along:
//
//	{"path": "wheel.jpg", "bytes": 78611}
//	{"name": "dot.png", "bytes": 2048, "image": "<base64>"}
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
)

func main() {
	t, err := newThumbnailer(setting("IN", "."), setting("OUT", "out"), setting("SIDE", "200"))
	if err == nil {
		err = functions.Serve(t.handle)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "thumbnails:", err)
		os.Exit(1)
	}
}

func setting(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// thumbnailer makes thumbnails of pictures under one folder into another. It cannot leave the two, whatever an event says.
type thumbnailer struct {
	in, out *os.Root
	side    int // of the thumbnail's longer side
}

func newThumbnailer(in, out, side string) (*thumbnailer, error) {
	n, err := strconv.Atoi(side)
	if err != nil || n < 1 || n > 4096 {
		return nil, fmt.Errorf("read SIDE: %q is not a number of pixels from 1 to 4096", side)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, fmt.Errorf("make output folder: %w", err)
	}
	from, err := os.OpenRoot(in)
	if err != nil {
		return nil, fmt.Errorf("open input folder: %w", err)
	}
	to, err := os.OpenRoot(out)
	if err != nil {
		return nil, fmt.Errorf("open output folder: %w", err)
	}
	return &thumbnailer{in: from, out: to, side: n}, nil
}

// made is the data of the reply.
type made struct {
	Path   string `json:"path"` // in the output folder
	Width  int    `json:"width"`
	Height int    `json:"height"`
	From   size   `json:"from"`
}

type size struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// handle makes the thumbnail an event asks for. Doing it again writes the same file again, so a second delivery is harmless.
func (t *thumbnailer) handle(_ context.Context, e event.Event) (*event.Event, error) {
	source, err := t.read(e.Data())
	if err != nil {
		return nil, err
	}
	b := source.picture.Bounds()
	w, h := fit(b.Dx(), b.Dy(), t.side)
	file := source.name + ".thumb.jpg"
	if err := t.write(file, shrink(source.picture, w, h)); err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "%s: %dx%d -> %dx%d\n", file, b.Dx(), b.Dy(), w, h)

	reply := event.New()
	reply.SetType("image.thumbnailed")
	reply.SetSubject(file)
	err = reply.SetData("application/json", made{Path: file, Width: w, Height: h, From: size{b.Dx(), b.Dy()}})
	return &reply, err
}

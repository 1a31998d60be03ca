package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
)

func TestThumbnailOfTheSample(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	reply, err := newTest(t, ".", out).handle(t.Context(), eventWith(`{"path": "wheel.jpg", "bytes": 78611}`))
	if err != nil {
		t.Fatal(err)
	}
	want := made{Path: "wheel.jpg.thumb.jpg", Width: 200, Height: 150, From: size{1600, 1200}}
	var got made
	if err := json.Unmarshal(reply.Data(), &got); err != nil || got != want {
		t.Errorf("reply = %s (%v), want %+v", reply.Data(), err, want)
	}
	f, err := os.Open(filepath.Join(out, got.Path))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	picture, err := jpeg.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if b := picture.Bounds(); b.Dx() != 200 || b.Dy() != 150 {
		t.Errorf("thumbnail is %v, want 200x150", b)
	}
}

func TestThumbnailOfAPictureInTheEvent(t *testing.T) {
	t.Parallel()
	src := image.NewGray(image.Rect(0, 0, 400, 100))
	src.SetGray(3, 3, color.Gray{Y: 200})
	for name, encode := range map[string]func(*bytes.Buffer) error{
		"p.png": func(b *bytes.Buffer) error { return png.Encode(b, src) },
		"p.gif": func(b *bytes.Buffer) error { return gif.Encode(b, src, nil) },
		"p.jpg": func(b *bytes.Buffer) error { return jpeg.Encode(b, src, nil) },
	} {
		var file bytes.Buffer
		if err := encode(&file); err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(request{Name: name, Image: file.Bytes()})
		if err != nil {
			t.Fatal(err)
		}
		out := t.TempDir()
		thumbs := newTest(t, t.TempDir(), out)
		for range 2 { // a second delivery does no harm
			if _, err := thumbs.handle(t.Context(), eventWith(string(data))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if entries, _ := os.ReadDir(out); len(entries) != 1 || entries[0].Name() != name+".thumb.jpg" {
			t.Errorf("%s: output folder holds %v", name, entries)
		}
	}
}

func TestRejectsWhatNoRetryCanMend(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	for name, data := range map[string]string{"in/text.jpg": "no picture", "secret.png": "x", "in/huge.png": hugePNG(t)} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "secret.png"), filepath.Join(in, "link.png")); err != nil {
		t.Fatal(err)
	}
	thumbs := newTest(t, in, t.TempDir())
	for _, data := range []string{
		``, `not json`, `[]`, `{}`, `{"path": 7}`, `{"path": "missing.jpg"}`, `{"path": "../secret.png"}`, `{"path": "."}`,
		`{"path": "/etc/passwd"}`, `{"path": "link.png"}`, `{"path": "text.jpg"}`, `{"path": "huge.png"}`,
		`{"image": "eA=="}`, `{"image": "eA==", "name": "../x.png"}`, `{"image": "eA==", "name": ".."}`,
		`{"image": "%%", "name": "x.png"}`,
		`{"image": "eA==", "name": "x.png", "path": "text.jpg"}`,
		fmt.Sprintf(`{"image": "eA==", "name": %q}`, strings.Repeat("x", 300)),
	} {
		_, err := thumbs.handle(t.Context(), eventWith(data))
		var reject *functions.RejectError
		if !errors.As(err, &reject) {
			t.Errorf("data %.60s: error = %v, want a rejection", data, err)
		}
	}
}

func TestRefusesBadSettings(t *testing.T) {
	t.Parallel()
	for _, side := range []string{"", "x", "0", "-1", "5000"} {
		if _, err := newThumbnailer(".", t.TempDir(), side); err == nil {
			t.Errorf("SIDE=%q is accepted", side)
		}
	}
	if _, err := newThumbnailer(filepath.Join(t.TempDir(), "missing"), t.TempDir(), "200"); err == nil {
		t.Error("a missing input folder is accepted")
	}
}

// hugePNG is a small file that claims to be 60,000 by 60,000 pixels.
func hugePNG(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.Rect(0, 0, 1, 1)); err != nil {
		t.Fatal(err)
	}
	file := b.Bytes()
	head := file[12:29] // type and data of the first chunk: width, height, ...; its checksum follows
	binary.BigEndian.PutUint32(head[4:], 60_000)
	binary.BigEndian.PutUint32(head[8:], 60_000)
	binary.BigEndian.PutUint32(file[29:], crc32.ChecksumIEEE(head))
	if _, err := decode(file); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Fatalf("decode a huge picture: %v, want it to have too many pixels", err)
	}
	return string(file)
}

func newTest(t *testing.T, in, out string) *thumbnailer {
	t.Helper()
	thumbs, err := newThumbnailer(in, out, "200")
	if err != nil {
		t.Fatal(err)
	}
	return thumbs
}

func eventWith(data string) event.Event {
	e := event.New()
	e.SetID("1")
	e.SetSource("/test")
	e.SetType("events.image.uploaded")
	e.SetDataContentType("application/json")
	e.DataEncoded = []byte(data)
	return e
}

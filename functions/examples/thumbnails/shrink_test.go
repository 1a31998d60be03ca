package main

import (
	"image"
	"image/color"
	"testing"
)

func TestFitKeepsTheShape(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ w, h, limit, wantW, wantH int }{
		{1600, 1200, 200, 200, 150},
		{1200, 1600, 200, 150, 200},
		{200, 100, 200, 200, 100},
		{10, 10, 200, 10, 10},
		{10000, 1, 200, 200, 1},
	} {
		if w, h := fit(c.w, c.h, c.limit); w != c.wantW || h != c.wantH {
			t.Errorf("fit(%d, %d, %d) = %d, %d; want %d, %d", c.w, c.h, c.limit, w, h, c.wantW, c.wantH)
		}
	}
}

func TestShrinkAveragesAreas(t *testing.T) {
	t.Parallel()
	src := image.NewGray(image.Rect(5, 5, 8, 8)) // 3x3, not at the origin: columns 0, 90, 180
	for y := 5; y < 8; y++ {
		for x := 5; x < 8; x++ {
			src.SetGray(x, y, color.Gray{Y: uint8((x - 5) * 90)})
		}
	}
	got := shrink(src, 2, 2) // each half covers one and a half columns: (0 + 90/2)/1.5 and (90/2 + 180)/1.5
	for y := range 2 {
		if a, b := got.RGBAAt(0, y).R, got.RGBAAt(1, y).R; a != 30 || b != 150 {
			t.Errorf("row %d = %d, %d; want 30, 150", y, a, b)
		}
	}
	if a := got.RGBAAt(0, 0).A; a != 255 {
		t.Errorf("alpha = %d, want 255", a)
	}
}

func TestShrinkKeepsAFlatColour(t *testing.T) {
	t.Parallel()
	src := image.NewUniform(color.RGBA{R: 10, G: 200, B: 77, A: 255})
	for _, size := range []image.Point{{1, 1}, {7, 3}, {64, 63}, {1000, 2}} {
		w, h := fit(size.X, size.Y, 5)
		got := shrink(sized{src, image.Rectangle{Max: size}}, w, h)
		for y := range h {
			for x := range w {
				if c := got.RGBAAt(x, y); c != src.C {
					t.Fatalf("%v to %dx%d: pixel %d,%d = %v, want %v", size, w, h, x, y, c, src.C)
				}
			}
		}
	}
}

// sized gives a picture without end some bounds.
type sized struct {
	image.Image
	bounds image.Rectangle
}

func (s sized) Bounds() image.Rectangle { return s.bounds }

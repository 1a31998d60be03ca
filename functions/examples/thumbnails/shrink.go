package main

import (
	"image"
	"image/draw"
	"math"
)

// fit returns the size of a picture of w by h when neither side may be longer than limit. It never enlarges.
func fit(w, h, limit int) (int, int) {
	if w <= limit && h <= limit {
		return w, h
	}
	scale := float64(limit) / float64(max(w, h))
	return max(1, int(math.Round(float64(w)*scale))), max(1, int(math.Round(float64(h)*scale)))
}

// shrink scales src down to w by h. Every pixel is the average of the area of src it covers, fractions of pixels included,
// so that thin lines fade instead of breaking up. It works one axis at a time: the average of an area is the average of
// its rows' averages.
func shrink(src image.Image, w, h int) *image.RGBA {
	b := src.Bounds()
	in := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(in, in.Bounds(), src, b.Min, draw.Src)

	narrow := image.NewRGBA(image.Rect(0, 0, w, b.Dy()))
	columns := spans(b.Dx(), w)
	for y := range b.Dy() {
		averageLine(narrow.Pix[y*narrow.Stride:], 4, in.Pix[y*in.Stride:], 4, columns)
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	rows := spans(b.Dy(), h)
	for x := range w {
		averageLine(out.Pix[x*4:], out.Stride, narrow.Pix[x*4:], narrow.Stride, rows)
	}
	return out
}

// span is the stretch of source pixels that one target pixel covers: whole ones from first to last, of which the two at the
// ends count only in part.
type span struct {
	first, last int
	head, tail  float32 // weights of first and last; the ones between weigh 1
	total       float32
}

// spans divides n source pixels among m target pixels.
func spans(n, m int) []span {
	out := make([]span, m)
	step := float64(n) / float64(m)
	for i := range out {
		from, to := float64(i)*step, float64(i+1)*step
		first, last := int(from), min(n-1, int(math.Ceil(to))-1)
		s := span{first: first, last: last, total: float32(to - from)}
		if first == last {
			s.head = s.total
		} else {
			s.head, s.tail = float32(float64(first+1)-from), float32(to-float64(last))
		}
		out[i] = s
	}
	return out
}

// averageLine writes one line of averages. dstStep and srcStep are the distances, in bytes, between neighbouring pixels.
func averageLine(dst []uint8, dstStep int, src []uint8, srcStep int, spans []span) {
	for i, s := range spans {
		for c := range 4 {
			sum := s.head * float32(src[s.first*srcStep+c])
			for p := s.first + 1; p < s.last; p++ {
				sum += float32(src[p*srcStep+c])
			}
			if s.last > s.first {
				sum += s.tail * float32(src[s.last*srcStep+c])
			}
			dst[i*dstStep+c] = uint8(min(255, sum/s.total+0.5))
		}
	}
}

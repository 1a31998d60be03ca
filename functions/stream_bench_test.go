package functions

import (
	"context"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
)

// BenchmarkStream is what an instant handler's call costs in its process, of as many as a sidecar sends at once.
func BenchmarkStream(b *testing.B) {
	for _, burst := range []int{1, 8, 64} {
		b.Run(map[int]string{1: "alone", 8: "of8", 64: "of64"}[burst], func(b *testing.B) {
			s := newSidecarEnd(b, Func(func(context.Context, event.Event) (*event.Event, error) { return nil, nil }))
			var frames []byte
			for id := range burst {
				frames = streamwire.AppendCall(frames, &streamwire.Call{
					ID: uint64(id + 1), Event: benchEvent(), Attempt: 1, Deadline: time.Now().Add(time.Hour).UnixNano(),
				})
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%burst == 0 {
					s.send(b, frames)
				}
				s.next(b, streamwire.KindResult)
			}
		})
	}
}

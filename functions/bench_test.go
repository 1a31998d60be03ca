package functions

import (
	"context"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"

	peltonevent "github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
)

func benchEvent() *peltonevent.Event {
	return &peltonevent.Event{
		ID: "0191d3a2-6f0b-7f1a-9a55-0c7d0b3b9c11", Source: "/shop/orders", Type: "order.created", Subject: "order-4711",
		Time: "2026-02-03T04:05:06.7Z", DataContentType: "application/json", Data: make([]byte, 256),
		Extensions: []peltonevent.Attribute{{
			Name:  "traceparent",
			Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		}},
	}
}

func BenchmarkToSDK(b *testing.B) {
	e := benchEvent()
	b.ReportAllocs()
	for b.Loop() {
		_ = toSDK(e)
	}
}

func BenchmarkDecodeCall(b *testing.B) {
	frame := streamwire.AppendCall(nil, &streamwire.Call{ID: 1, Event: benchEvent(), Attempt: 1, Deadline: 1})[2:]
	var f streamwire.Frame
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Decode(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHandle(b *testing.B) {
	f := Func(func(context.Context, event.Event) (*event.Event, error) { return nil, nil })
	done := make(chan struct{}, 1)
	e := benchEvent()
	b.ReportAllocs()
	for b.Loop() {
		go f.handle(&call{Context: context.Background(), event: e}, func(invoke.Outcome) { done <- struct{}{} })
		<-done
	}
}

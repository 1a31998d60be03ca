package event_test

import (
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/event"
)

func binaryMessage() *event.Message {
	return &event.Message{
		Subject: "events.orders.created", Stream: "EVENTS", Sequence: 42, Time: time.Unix(1_700_000_000, 0),
		Header: map[string][]string{
			"ce-specversion": {"1.0"}, "ce-id": {"3a4b6f30-8d0c-4a60-9f0e-2f1d8a7c6b5e"}, "ce-source": {"/shop/orders"},
			"ce-type": {"order.created"}, "ce-time": {"2026-11-02T03:04:05.123456789Z"}, "ce-datacontenttype": {"application/json"},
			"Nats-Msg-Id": {"zV0yT8x0n6Wl5w5oF3Q7a8b9c0d1e2f3g4h5i6j7k8l"},
		},
		Data: []byte(`{"id":7,"items":[{"sku":"a-1","n":2}],"total":19.90}`),
	}
}

func BenchmarkDecode(b *testing.B) {
	m := binaryMessage()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Decode(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeInto(b *testing.B) {
	m := binaryMessage()
	m.Header["ce-traceparent"] = []string{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
	m.Header["ce-partitionkey"] = []string{"customer%207"}
	var e event.Event
	b.ReportAllocs()
	for b.Loop() {
		if err := event.DecodeInto(&e, m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeRaw(b *testing.B) {
	m := binaryMessage()
	m.Header = nil
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Decode(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeStructured(b *testing.B) {
	e, err := event.Decode(binaryMessage())
	if err != nil {
		b.Fatal(err)
	}
	m := &event.Message{
		Header: map[string][]string{"Content-Type": {"application/cloudevents+json"}},
		Data:   event.AppendJSON(nil, e),
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Decode(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	e, err := event.Decode(binaryMessage())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		event.Encode(e)
	}
}

func BenchmarkAppendHTTPAttributes(b *testing.B) {
	e, err := event.Decode(binaryMessage())
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = event.AppendHTTPAttributes(buf[:0], e)
	}
}

func BenchmarkMessageID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		event.MessageID("/shop/orders", "3a4b6f30-8d0c-4a60-9f0e-2f1d8a7c6b5e", "default/thumbnail")
	}
}

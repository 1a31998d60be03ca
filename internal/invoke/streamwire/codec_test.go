package streamwire

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/pelton-dev/pelton/internal/event"
	handlerv1 "github.com/pelton-dev/pelton/proto/pelton/handler/v1"
)

// generated turns a frame into the message that protoc-gen-go knows. An unknown kind is an empty frame.
func generated(f *Frame) *handlerv1.Frame {
	switch f.Kind {
	case KindHello:
		return &handlerv1.Frame{Kind: &handlerv1.Frame_Hello{Hello: &handlerv1.Hello{
			Version: f.Hello.Version, Sdk: f.Hello.SDK, Batches: f.Hello.Batches,
		}}}
	case KindWelcome:
		return &handlerv1.Frame{Kind: &handlerv1.Frame_Welcome{Welcome: &handlerv1.Welcome{
			Version: f.Welcome.Version, Function: f.Welcome.Function, Namespace: f.Welcome.Namespace,
			Replica: f.Welcome.Replica, MaxResponse: f.Welcome.MaxResponse, MaxFrame: f.Welcome.MaxFrame,
			MaxBatchResponse: f.Welcome.MaxBatchResponse,
		}}}
	case KindRefuse:
		return &handlerv1.Frame{Kind: &handlerv1.Frame_Refuse{Refuse: &handlerv1.Refuse{Reason: f.Refuse.Reason}}}
	case KindCall:
		return &handlerv1.Frame{Kind: &handlerv1.Frame_Call{Call: generatedCall(&f.Call)}}
	case KindResult:
		return &handlerv1.Frame{Kind: &handlerv1.Frame_Result{Result: generatedResult(&f.Result)}}
	case KindBatch:
		g := &handlerv1.Batch{Id: f.Batch.ID, DeadlineUnixNano: f.Batch.Deadline}
		for i := range f.Batch.Calls {
			g.Calls = append(g.Calls, generatedCall(&f.Batch.Calls[i]))
		}
		return &handlerv1.Frame{Kind: &handlerv1.Frame_Batch{Batch: g}}
	case KindBatchResult:
		g := &handlerv1.BatchResult{Id: f.BatchResult.ID}
		for i := range f.BatchResult.Results {
			g.Results = append(g.Results, generatedResult(&f.BatchResult.Results[i]))
		}
		if f.BatchResult.All != nil {
			g.All = generatedResult(f.BatchResult.All)
		}
		return &handlerv1.Frame{Kind: &handlerv1.Frame_BatchResult{BatchResult: g}}
	case KindCancel:
		return &handlerv1.Frame{Kind: &handlerv1.Frame_Cancel{Cancel: &handlerv1.Cancel{Id: f.Cancel.ID}}}
	case KindGoodbye:
		return &handlerv1.Frame{Kind: &handlerv1.Frame_Goodbye{Goodbye: &handlerv1.Goodbye{}}}
	default:
		return &handlerv1.Frame{}
	}
}

func generatedCall(c *Call) *handlerv1.Call {
	return &handlerv1.Call{
		Id: c.ID, Event: generatedEvent(c.Event), Attempt: c.Attempt, Redeliveries: c.Redeliveries, DeadlineUnixNano: c.Deadline,
		Epoch: c.Epoch,
	}
}

func generatedResult(r *Result) *handlerv1.Result {
	return &handlerv1.Result{
		Id: r.ID, Outcome: handlerv1.Outcome(r.Outcome), RetryAfterNanos: r.RetryAfter, Reason: r.Reason,
		Reply: generatedEvent(r.Reply),
	}
}

func generatedEvent(e *event.Event) *handlerv1.Event {
	if e == nil {
		return nil
	}
	g := &handlerv1.Event{
		Id: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject, Time: e.Time, Datacontenttype: e.DataContentType,
		Dataschema: e.DataSchema, Data: e.Data,
	}
	for _, a := range e.Extensions {
		g.Extensions = append(g.Extensions, &handlerv1.Attribute{Name: a.Name, Value: a.Value})
	}
	return g
}

// appendFrame is the hand codec for any frame.
func appendFrame(b []byte, f *Frame) []byte {
	switch f.Kind {
	case KindHello:
		return AppendHello(b, &f.Hello)
	case KindWelcome:
		return AppendWelcome(b, &f.Welcome)
	case KindRefuse:
		return AppendRefuse(b, &f.Refuse)
	case KindCall:
		return AppendCall(b, &f.Call)
	case KindResult:
		return AppendResult(b, &f.Result)
	case KindCancel:
		return AppendCancel(b, &f.Cancel)
	case KindBatch:
		return AppendBatch(b, f.Batch)
	case KindBatchResult:
		return AppendBatchResult(b, f.BatchResult)
	default:
		return AppendGoodbye(b)
	}
}

func drawFrame(t *rapid.T) *Frame {
	f := &Frame{Kind: Kind(rapid.IntRange(1, int(lastKind)).Draw(t, "kind"))}
	text, number := rapid.String(), rapid.Uint64()
	switch f.Kind {
	case KindHello:
		f.Hello = Hello{Version: rapid.Uint32().Draw(t, "version"), SDK: text.Draw(t, "sdk"), Batches: rapid.Bool().Draw(t, "batches")}
	case KindWelcome:
		f.Welcome = Welcome{
			Version: rapid.Uint32().Draw(t, "version"), Function: text.Draw(t, "function"),
			Namespace: text.Draw(t, "namespace"), Replica: text.Draw(t, "replica"),
			MaxResponse: number.Draw(t, "max response"), MaxFrame: number.Draw(t, "max frame"),
			MaxBatchResponse: number.Draw(t, "max batch response"),
		}
	case KindRefuse:
		f.Refuse.Reason = text.Draw(t, "reason")
	case KindCall:
		f.Call = drawCall(t)
	case KindResult:
		f.Result = drawResult(t)
	case KindBatch:
		f.Batch = &Batch{ID: number.Draw(t, "id"), Deadline: rapid.Int64().Draw(t, "deadline")}
		for range rapid.IntRange(0, 3).Draw(t, "calls") {
			f.Batch.Calls = append(f.Batch.Calls, drawCall(t))
		}
	case KindBatchResult:
		f.BatchResult = &BatchResult{ID: number.Draw(t, "id")}
		for range rapid.IntRange(0, 3).Draw(t, "results") {
			f.BatchResult.Results = append(f.BatchResult.Results, drawResult(t))
		}
		if rapid.Bool().Draw(t, "all") {
			r := drawResult(t)
			f.BatchResult.All = &r
		}
	case KindCancel:
		f.Cancel.ID = number.Draw(t, "id")
	}
	return f
}

func drawCall(t *rapid.T) Call {
	return Call{
		ID: rapid.Uint64().Draw(t, "id"), Event: drawEvent(t), Attempt: rapid.Uint32().Draw(t, "attempt"),
		Redeliveries: rapid.Uint32().Draw(t, "redeliveries"), Deadline: rapid.Int64().Draw(t, "deadline"),
		Epoch: rapid.Uint64().Draw(t, "epoch"),
	}
}

func drawResult(t *rapid.T) Result {
	return Result{
		ID: rapid.Uint64().Draw(t, "id"), Outcome: Outcome(rapid.Int32().Draw(t, "outcome")),
		RetryAfter: rapid.Int64().Draw(t, "after"), Reason: rapid.String().Draw(t, "reason"), Reply: drawEvent(t),
	}
}

func drawEvent(t *rapid.T) *event.Event {
	if rapid.Bool().Draw(t, "no event") {
		return nil
	}
	text := rapid.String()
	e := &event.Event{
		ID: text.Draw(t, "id"), Source: text.Draw(t, "source"), Type: text.Draw(t, "type"),
		Subject: text.Draw(t, "subject"), Time: text.Draw(t, "time"), DataContentType: text.Draw(t, "content type"),
		DataSchema: text.Draw(t, "schema"), Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "extensions") {
		e.Extensions = append(e.Extensions, event.Attribute{Name: text.Draw(t, "name"), Value: text.Draw(t, "value")})
	}
	return e
}

// TestAppendMatchesGenerated holds what we write equal, byte for byte, to what the generated code writes.
func TestAppendMatchesGenerated(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := drawFrame(t)
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(generated(f))
		if err != nil {
			t.Fatal(err)
		}
		want := protowire.AppendBytes(nil, body)
		if got := appendFrame(nil, f); !bytes.Equal(got, want) {
			t.Fatalf("frame %+v\n got %x\nwant %x", f, got, want)
		}
	})
}

// TestDecodeMatchesGenerated reads what the generated code wrote.
func TestDecodeMatchesGenerated(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawFrame(t)
		body, err := proto.Marshal(generated(want))
		if err != nil {
			t.Fatal(err)
		}
		got := dirtyFrame()
		if err := got.Decode(body); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("frame differs (-want +got):\n%s", diff)
		}
	})
}

// dirtyFrame was used before: nothing of that may be left after Decode.
func dirtyFrame() *Frame {
	f := new(Frame)
	f.Kind = KindCall
	f.Call = Call{ID: 1, Attempt: 2, Redeliveries: 3, Deadline: 4, Event: &event.Event{ID: "old"}}
	return f
}

// FuzzDecode gives both codecs the same bytes: they must take and refuse the same, and understand the same.
func FuzzDecode(f *testing.F) {
	e := &event.Event{
		ID: "1", Source: "/s", Type: "t", Extensions: []event.Attribute{{Name: "a", Value: "b"}},
		Data: []byte("x"),
	}
	for _, frame := range []*Frame{
		{Kind: KindHello, Hello: Hello{Version: 1, SDK: "x"}},
		{Kind: KindWelcome, Welcome: Welcome{Version: 1, Function: "f", MaxFrame: 9}},
		{Kind: KindRefuse, Refuse: Refuse{Reason: "no"}},
		{Kind: KindCall, Call: Call{ID: 7, Event: e, Attempt: 1, Redeliveries: 2, Deadline: 3}},
		{Kind: KindResult, Result: Result{ID: 7, Outcome: OutcomeDone, RetryAfter: 5, Reason: "r", Reply: e}},
		{Kind: KindCancel, Cancel: Cancel{ID: 7}},
		{Kind: KindGoodbye},
	} {
		f.Add(appendFrame(nil, frame)[1:])
	}
	f.Add([]byte("HTTP/1.1 200 OK\r\n"))
	f.Add([]byte{0x3a, 0x01, 0xff})
	f.Fuzz(func(t *testing.T, body []byte) {
		got := dirtyFrame()
		err := got.Decode(body)
		var want handlerv1.Frame
		wantErr := proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(body, &want)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("we say %v, the generated code %v", err, wantErr)
		}
		if err != nil {
			return
		}
		if again := generated(got); !proto.Equal(again, &want) {
			t.Fatalf("we read %v, the generated code %v", again, &want)
		}
	})
}

func TestResultID(t *testing.T) {
	t.Parallel()
	frame := AppendResult(nil, &Result{ID: 300, Outcome: OutcomeDone, Reply: &event.Event{Data: make([]byte, 1000)}})
	_, n := protowire.ConsumeVarint(frame)
	id, ok := ResultID(frame[n : n+headBytes])
	if !ok || id != 300 {
		t.Fatalf("got %d, %v, want 300", id, ok)
	}
	for _, head := range [][]byte{nil, {0x2a}, {0x2a, 0x05}, []byte("HTTP/1.1 200"), AppendCall(nil, &Call{ID: 3})[1:]} {
		if id, ok := ResultID(head); ok {
			t.Errorf("head %x: got id %d, want none", head, id)
		}
	}
}

func TestSizeResult(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := Result{ID: rapid.Uint64().Draw(t, "id"), Reason: rapid.String().Draw(t, "reason"), Reply: drawEvent(t)}
		message := generated(&Frame{Kind: KindResult, Result: r}).GetResult()
		if got, want := SizeResult(&r), proto.Size(message); got != want {
			t.Fatalf("size of %+v: got %d, want %d", r, got, want)
		}
	})
}

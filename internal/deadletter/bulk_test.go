package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/deadletter"
)

func TestDiscardAll(t *testing.T) {
	t.Parallel()
	js := start(t)
	for i := range uint64(5) {
		l := letter(i + 1)
		if i == 2 {
			l.Function = "other"
		}
		publish(t, js, l)
	}
	r, err := deadletter.DiscardAll(t.Context(), js, deadletter.Filter{Function: "thumbnail", Limit: 3})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{1, 2, 4}, r.Done); diff != "" || len(r.Failed) != 0 {
		t.Errorf("done (-want +got)\n%s failed %v", diff, r.Failed)
	}
	if left := list(t, js, deadletter.Filter{}); len(left) != 2 || left[0].ID != 3 || left[1].ID != 5 {
		t.Errorf("left = %+v", left)
	}
}

func TestBulkEndsWithItsContext(t *testing.T) {
	t.Parallel()
	js := start(t)
	publish(t, js, letter(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := deadletter.DiscardAll(ctx, js, deadletter.Filter{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want canceled", err)
	}
}

func TestThousandLettersAreIdentical(t *testing.T) {
	t.Parallel()
	js := start(t)
	rng := rand.New(rand.NewPCG(1, 2))
	want := map[string]string{}
	for i := range 1000 {
		l := letter(uint64(i + 1))
		id := fmt.Sprintf("e%d", i)
		l.Data = make([]byte, rng.IntN(2000))
		for j := range l.Data {
			l.Data[j] = byte(rng.Uint32())
		}
		l.Header["ce-id"] = []string{id}
		want[id] = string(l.Data)
		publish(t, js, l)
	}
	r, err := deadletter.ReplayAll(t.Context(), js, deadletter.Filter{Function: "thumbnail"})
	if err != nil || len(r.Done) != 1000 || len(r.Failed) != 0 {
		t.Fatalf("replayed %d, failed %d, %v", len(r.Done), len(r.Failed), err)
	}
	for _, m := range work(t, js) {
		id := m.Header.Get("ce-id")
		if data, ok := want[id]; !ok || data != string(m.Data) {
			t.Fatalf("event %s: known %v, data differs or came twice", id, ok)
		}
		delete(want, id)
	}
	if len(want) != 0 {
		t.Errorf("%d events are missing", len(want))
	}
}

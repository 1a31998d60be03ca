package execcall_test

import (
	"testing"

	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/execcall"
)

// BenchmarkInvoke is the price of a process per event, with the smallest of programs.
func BenchmarkInvoke(b *testing.B) {
	inv, err := execcall.New(execcall.Config{Command: []string{"true"}})
	if err != nil {
		b.Fatal(err)
	}
	defer inv.Close()
	call := newCall("x")
	call.Deadline = call.Deadline.Add(patience * 60)
	for b.Loop() {
		if o, err := inv.Invoke(b.Context(), call); err != nil || o.Kind != invoke.Done {
			b.Fatalf("got %+v, %v", o, err)
		}
	}
}

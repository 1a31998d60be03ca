package process

import (
	"os/exec"
	"testing"
)

// BenchmarkStart against BenchmarkBare is what we add to a fork and exec.
func BenchmarkStart(b *testing.B) {
	g, err := StartGuard(GuardConfig{RunID: NewRunID()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = g.Close() }()
	for b.Loop() {
		p, err := Start(Config{
			Command: []string{"true"}, Path: "/bin/true", Stdout: NewTail(1, 10),
			Stderr: NewTail(1, 10), Guard: g,
		})
		if err != nil {
			b.Fatal(err)
		}
		p.Exit()
	}
}

func BenchmarkBare(b *testing.B) {
	for b.Loop() {
		cmd := exec.Command("/bin/true")
		cmd.Stdout, cmd.Stderr = NewTail(1, 10), NewTail(1, 10)
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
	}
}

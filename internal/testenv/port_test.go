package testenv_test

import (
	"net"
	"runtime"
	"strconv"
	"testing"

	"github.com/pelton-dev/pelton/internal/testenv"
)

// TestHeldPort is listened on, given up and listened on again, while nobody else is given it.
func TestHeldPort(t *testing.T) {
	t.Parallel()
	address := "127.0.0.1:" + strconv.Itoa(testenv.HoldPort(t))
	for range 3 {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		_ = l.Close()
		if c, err := net.Dial("tcp", address); err == nil {
			t.Fatalf("%v is connected, and nobody listens", c.LocalAddr())
		}
	}
}

// TestHeldPortIsNobodyElses asks for any port until a good part of all are taken.
func TestHeldPortIsNobodyElses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("ports are held on Linux only")
	}
	held := map[int]bool{}
	for range 300 {
		held[testenv.HoldPort(t)] = true
	}
	if len(held) != 300 {
		t.Errorf("%d different ports of 300", len(held))
	}
	for range 3000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		if held[port] {
			t.Fatalf("port %d is held and was given to another", port)
		}
	}
}

package kube

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// pipe is both ends of a stream in one buffer: what was written is read again.
type pipe struct{ bytes.Buffer }

// Close implements io.Closer.
func (*pipe) Close() error { return nil }

// TestFrames writes messages of all lengths and reads the same.
func TestFrames(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newSocket(&pipe{})
		lengths := rapid.SliceOf(rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(65500, 65600))).Draw(t, "lengths")
		for i, n := range lengths {
			if err := s.send(bytes.Repeat([]byte{byte(i)}, n)); err != nil {
				t.Fatal(err)
			}
		}
		for i, n := range lengths {
			got, err := s.receive()
			if err != nil || !bytes.Equal(got, bytes.Repeat([]byte{byte(i)}, n)) {
				t.Fatalf("message %d: %d bytes of %d, %v", i, len(got), n, err)
			}
		}
		if _, err := s.receive(); !errors.Is(err, io.EOF) {
			t.Fatalf("after the last: %v", err)
		}
	})
}

// TestFramesOfServers reads what only servers send: parts of a message, pings between them, and nonsense.
func TestFramesOfServers(t *testing.T) {
	t.Parallel()
	in := &pipe{}
	in.Write([]byte{opBinary, 2, 'a', 'b', finalFrame | opPing, 1, '!', finalFrame | opContinue, 1, 'c'})
	read, written := &pipe{}, &pipe{}
	read.Write(in.Bytes())
	s := newSocket(struct {
		io.Reader
		io.WriteCloser
	}{read, written})
	if got, err := s.receive(); string(got) != "abc" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if op, final, payload, err := newSocket(written).readFrame(); op != opPong || !final || string(payload) != "!" || err != nil {
		t.Errorf("answer to the ping: %x %v %q %v", op, final, payload, err)
	}
	huge := &pipe{}
	huge.Write(binary.BigEndian.AppendUint64([]byte{finalFrame | opBinary, length64}, 1<<40))
	if _, err := newSocket(huge).receive(); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("a frame of a terabyte: %v", err)
	}
}

// kubelet answers as an apiserver does that forwards a port: it echoes, in upper case.
func kubelet(t *testing.T) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Sec-WebSocket-Protocol") != forwardProtocol || r.URL.Query().Get("ports") != "8081" {
			http.Error(w, "what?", http.StatusBadRequest)
			return
		}
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		s := newSocket(struct {
			io.Reader
			io.WriteCloser
		}{buffered, conn})
		for _, channel := range []byte{dataChannel, errorChannel} { // the port, on each
			_ = s.send(binary.LittleEndian.AppendUint16([]byte{channel}, 8081))
		}
		for {
			message, err := s.receive()
			if err != nil {
				return
			}
			if string(message[1:]) == "fail" {
				_ = s.send(append([]byte{errorChannel}, "connection refused"...))
				return
			}
			_ = s.send(append([]byte{dataChannel}, bytes.ToUpper(message[1:])...))
		}
	})
}

func openServer(t *testing.T, handler http.Handler) *Cluster {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(kubeconfig(server.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(Config{Kubeconfig: file})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// kubeconfig is one with a cluster at an address.
func kubeconfig(address string) string {
	return `{apiVersion: v1, kind: Config, current-context: here, clusters: [{name: c, cluster: {server: "` + address + `"}}],
contexts: [{name: here, context: {cluster: c, user: u, namespace: shop}}, {name: other, context: {cluster: c, user: u}}],
users: [{name: u, user: {token: t}}]}`
}

func TestDial(t *testing.T) {
	t.Parallel()
	c := openServer(t, kubelet(t))
	conn, err := c.Dial(t.Context(), "shop", "pod", 8081)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var _ net.Conn = conn
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); string(got) != "HELLO" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := conn.Write([]byte("fail")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(got); err == nil || !strings.Contains(err.Error(), "shop/pod:8081: connection refused") {
		t.Errorf("the error of the other side: %v", err)
	}
	if _, err := c.Dial(t.Context(), "shop", "pod", 1); err == nil || !strings.Contains(err.Error(), "what?") {
		t.Errorf("refused: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Dial(gone, "shop", "pod", 8081); err == nil {
		t.Error("dialled with a context that is over")
	}
}

package kube

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// forwardProtocol is how a kubelet forwards ports over a WebSocket: each message begins with the number of a channel.
const forwardProtocol = "v4.channel.k8s.io"

// The channels of the one port that we ask for. Each begins with a message that repeats the port.
const (
	dataChannel  = 0
	errorChannel = 1
)

// Dial connects to a port of a pod, as `kubectl port-forward` does: through the apiserver and the kubelet, and as somebody on the
// pod's own loopback. The context bounds the whole life of the connection.
func (c *Cluster) Dial(ctx context.Context, namespace, pod string, port int) (net.Conn, error) {
	address := c.podURL(namespace, pod, "portforward", url.Values{"ports": {strconv.Itoa(port)}})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	var key [16]byte
	_, _ = rand.Read(key[:]) // it cannot fail
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Key", base64.StdEncoding.EncodeToString(key[:]))
	req.Header.Set("Sec-WebSocket-Protocol", forwardProtocol)
	res, err := c.upgrades.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		defer func() { _ = res.Body.Close() }()
		return nil, refusal(res)
	}
	stream, ok := res.Body.(io.ReadWriteCloser)
	if !ok {
		_ = res.Body.Close()
		return nil, fmt.Errorf("forward port %d of pod %s: the connection cannot be written to", port, pod)
	}
	return &forwarded{socket: newSocket(stream), name: fmt.Sprintf("%s/%s:%d", namespace, pod, port)}, nil
}

// forwarded is a port of a pod. One goroutine may read while another writes.
type forwarded struct {
	*socket

	name  string
	rest  []byte  // of the last message
	heard [2]bool // channels whose first message has come
}

// Read implements net.Conn.
func (f *forwarded) Read(p []byte) (int, error) {
	for len(f.rest) == 0 {
		message, err := f.receive()
		if err != nil {
			return 0, err
		}
		if len(message) == 0 || message[0] > errorChannel {
			continue
		}
		channel, data := message[0], message[1:]
		switch {
		case !f.heard[channel] && len(data) == binary.Size(uint16(0)): // the port
		case channel == errorChannel && len(data) > 0:
			return 0, fmt.Errorf("forward %s: %s", f.name, data)
		case channel == dataChannel:
			f.rest = data
		}
		f.heard[channel] = true
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// Write implements net.Conn.
func (f *forwarded) Write(p []byte) (int, error) {
	const most = 32 << 10
	for written := 0; written < len(p); {
		part := p[written:min(written+most, len(p))]
		if err := f.send(append([]byte{dataChannel}, part...)); err != nil {
			return written, err
		}
		written += len(part)
	}
	return len(p), nil
}

// LocalAddr implements net.Conn.
func (f *forwarded) LocalAddr() net.Addr { return forwardedAddress("local") }

// RemoteAddr implements net.Conn.
func (f *forwarded) RemoteAddr() net.Addr { return forwardedAddress(f.name) }

// SetDeadline implements net.Conn. There are none: the context of Dial is the bound.
func (f *forwarded) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (f *forwarded) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (f *forwarded) SetWriteDeadline(time.Time) error { return nil }

type forwardedAddress string

// Network implements net.Addr.
func (forwardedAddress) Network() string { return "portforward" }

// String implements net.Addr.
func (a forwardedAddress) String() string { return string(a) }

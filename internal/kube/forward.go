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
	"sync"
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

// socket speaks the frames of RFC 6455 as a client. A few lines of our own keep three modules out of the program.
type socket struct {
	stream  io.ReadWriteCloser
	writing sync.Mutex // held while a frame is written: answers to pings come from the reader
}

func newSocket(stream io.ReadWriteCloser) *socket { return &socket{stream: stream} }

// The kinds of frames.
const (
	opContinue = 0x0
	opText     = 0x1
	opBinary   = 0x2
	opClose    = 0x8
	opPing     = 0x9
	opPong     = 0xa

	finalFrame   = 0x80
	maskedFrame  = 0x80
	maxFrame     = 16 << 20
	length16     = 126
	length64     = 127
	lengthBits   = 0x7f
	opcodeBits   = 0x0f
	maskLength   = 4
	maxLength7   = 125
	maxLength16  = 1<<16 - 1
	headerLength = 2
)

// receive returns the next message.
func (s *socket) receive() (message []byte, err error) {
	for {
		op, final, payload, err := s.readFrame()
		if err != nil {
			return nil, err
		}
		switch op {
		case opClose:
			return nil, io.EOF
		case opPing:
			if err := s.writeFrame(opPong, payload); err != nil {
				return nil, err
			}
		case opContinue, opText, opBinary:
			if message = append(message, payload...); final {
				return message, nil
			}
			if len(message) > maxFrame {
				return nil, fmt.Errorf("a message of more than %d bytes", maxFrame)
			}
		}
	}
}

func (s *socket) readFrame() (op byte, final bool, payload []byte, err error) {
	var header [headerLength]byte
	if _, err := io.ReadFull(s.stream, header[:]); err != nil {
		return 0, false, nil, err
	}
	length := uint64(header[1] & lengthBits)
	switch length {
	case length16:
		var n uint16
		err = binary.Read(s.stream, binary.BigEndian, &n)
		length = uint64(n)
	case length64:
		err = binary.Read(s.stream, binary.BigEndian, &length)
	}
	if err != nil {
		return 0, false, nil, err
	}
	if length > maxFrame {
		return 0, false, nil, fmt.Errorf("a frame of %d bytes", length)
	}
	var mask [maskLength]byte
	if header[1]&maskedFrame != 0 { // servers do not, but may
		if _, err := io.ReadFull(s.stream, mask[:]); err != nil {
			return 0, false, nil, err
		}
	}
	payload = make([]byte, length)
	if _, err := io.ReadFull(s.stream, payload); err != nil {
		return 0, false, nil, err
	}
	for i := range payload {
		payload[i] ^= mask[i%maskLength]
	}
	return header[0] & opcodeBits, header[0]&finalFrame != 0, payload, nil
}

func (s *socket) send(message []byte) error { return s.writeFrame(opBinary, message) }

// writeFrame masks what it writes, as clients must.
func (s *socket) writeFrame(op byte, payload []byte) error {
	frame := []byte{finalFrame | op}
	switch n := len(payload); {
	case n <= maxLength7:
		frame = append(frame, maskedFrame|byte(n))
	case n <= maxLength16:
		frame = binary.BigEndian.AppendUint16(append(frame, maskedFrame|length16), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, maskedFrame|length64), uint64(n))
	}
	var mask [maskLength]byte
	_, _ = rand.Read(mask[:]) // it cannot fail
	frame = append(frame, mask[:]...)
	for i, b := range payload {
		frame = append(frame, b^mask[i%maskLength])
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.stream.Write(frame)
	return err
}

// Close implements net.Conn.
func (s *socket) Close() error {
	_ = s.writeFrame(opClose, nil) // the other side may be gone
	return s.stream.Close()
}

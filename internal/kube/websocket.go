package kube

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

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

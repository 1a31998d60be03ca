package functions

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/pelton-dev/pelton/internal/invoke/streamwire"
)

const (
	dialPatience   = 30 * time.Second // a sidecar in another container may start later than we do
	firstDialPause = 10 * time.Millisecond
	maxDialPause   = time.Second
	greetTimeout   = 10 * time.Second
)

// dial connects to the sidecar's socket, waiting until there is one. It returns neither if ctx ends meanwhile.
func dial(ctx context.Context, socket string) (net.Conn, error) {
	limit := time.Now().Add(dialPatience)
	var d net.Dialer
	for pause := firstDialPause; ; pause = min(2*pause, maxDialPause) {
		conn, err := d.DialContext(ctx, "unix", socket)
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, nil
		}
		if time.Now().Add(pause).After(limit) {
			return nil, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// greet says Hello and waits for the Welcome.
func (s *stream) greet() error {
	if err := s.conn.SetDeadline(time.Now().Add(greetTimeout)); err != nil {
		return err
	}
	hello := streamwire.AppendHello(nil, &streamwire.Hello{Version: streamwire.Version, SDK: sdkName, Batches: true})
	if _, err := s.conn.Write(hello); err != nil {
		return err
	}
	body, err := s.r.Next()
	if err != nil {
		return err
	}
	var f streamwire.Frame
	if err := f.Decode(body); err != nil {
		return err
	}
	switch f.Kind {
	case streamwire.KindWelcome:
		s.welcome = f.Welcome
	case streamwire.KindRefuse:
		return errors.New(f.Refuse.Reason)
	default:
		return fmt.Errorf("its first frame is no Welcome but of kind %d", f.Kind)
	}
	return s.conn.SetDeadline(time.Time{})
}

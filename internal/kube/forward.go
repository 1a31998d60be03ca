package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// Dial connects to a port of a pod, as `kubectl port-forward` does: through the apiserver and the kubelet, and as somebody on the
// pod's own loopback. The context bounds the whole life of the connection. That nobody listens there is told by the first Read.
func (c *Cluster) Dial(ctx context.Context, namespace, pod string, port int) (net.Conn, error) {
	f := &forwarded{over: ctx.Err, name: fmt.Sprintf("%s/%s:%d", namespace, pod, port), finished: make(chan struct{})}
	opened := make(chan error, 1) // the client waits half a minute for a kubelet that says nothing, whatever the context
	go func() { opened <- f.open(ctx, c, c.podURL(namespace, pod, "portforward", nil), port) }()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case err := <-opened:
		if err != nil {
			return nil, cmp.Or(ctx.Err(), err)
		}
		return f, nil
	}
}

// upgrade connects to the kubelet over a WebSocket, or else over SPDY: clusters before 1.31 forward ports over nothing else, and it
// takes the right to create pods/portforward, where a WebSocket takes that to get it.
func (c *Cluster) upgrade(ctx context.Context, address *url.URL) (httpstream.Connection, error) {
	settings := rest.CopyConfig(c.settings)
	settings.Wrap(func(next http.RoundTripper) http.RoundTripper { return bounded{ctx, next} })
	socket, err := portforward.NewSPDYOverWebsocketDialerForStreaming(address, settings)
	if err != nil {
		return nil, err
	}
	transport, upgrader, err := spdy.RoundTripperFor(settings)
	if err != nil {
		return nil, err
	}
	older := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, address)
	var first error // it has the status of the apiserver, which the other way loses
	conn, _, err := portforward.NewFallbackDialerForStreaming(socket, older, func(err error) bool {
		first = err
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}).Dial(portforward.PortForwardProtocolV1Name)
	if err == nil {
		return conn, nil
	}
	if failure, ok := errors.AsType[*httpstream.UpgradeFailureError](first); ok {
		return nil, failure.Cause
	}
	return nil, first
}

// bounded gives requests a context: the dialers of client-go take none.
type bounded struct {
	ctx  context.Context // of the one request that it is made for
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	return b.next.RoundTrip(req.WithContext(b.ctx))
}

// forwarded is a port of a pod. One goroutine may read while another writes.
type forwarded struct {
	httpstream.Stream // the data

	name      string
	conn      httpstream.Connection
	over      func() error // of the context
	release   func() bool  // from the context
	finished  chan struct{}
	complaint []byte // of the kubelet, when finished
}

// open makes the two streams of a port: what goes wrong, and the data.
func (f *forwarded) open(ctx context.Context, c *Cluster, address *url.URL, port int) (err error) {
	if f.conn, err = c.upgrade(ctx, address); err != nil {
		return err
	}
	f.release = context.AfterFunc(ctx, func() { _ = f.conn.Close() })
	defer func() {
		if err != nil {
			_ = f.Close()
			err = fmt.Errorf("forward %s: %w", f.name, err)
		}
	}()
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(port))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	complaints, err := f.conn.CreateStream(headers)
	if err != nil {
		return err
	}
	go func() {
		defer close(f.finished)
		f.complaint, _ = io.ReadAll(complaints) // it ends with the connection at the latest
	}()
	if err := complaints.Close(); err != nil { // the kubelet alone writes
		return err
	}
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	f.Stream, err = f.conn.CreateStream(headers)
	return err
}

// Read implements net.Conn.
func (f *forwarded) Read(p []byte) (int, error) {
	n, err := f.Stream.Read(p)
	if err == nil {
		return n, nil
	}
	_ = f.Reset() // the kubelet may wait for more of us before it says why it ended
	<-f.finished
	switch {
	case f.over() != nil:
		return n, f.over()
	case len(f.complaint) > 0:
		return n, fmt.Errorf("forward %s: %s", f.name, f.complaint)
	default:
		return n, err
	}
}

// Close implements net.Conn.
func (f *forwarded) Close() error {
	f.release()
	return f.conn.Close()
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

package kube

import (
	"bytes"
	"context"
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

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	constants "k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// kubelet answers for the port 8081 of a pod, as the apiserver and the kubelet do together.
type kubelet struct {
	t    *testing.T
	old  bool            // refuses WebSockets, as before 1.31
	mute <-chan struct{} // it agrees to no stream before
}

// ServeHTTP implements http.Handler.
func (k kubelet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, pod, _ := strings.Cut(strings.TrimSuffix(r.URL.Path, "/portforward"), "/pods/")
	const status = `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": %q, "code": %d, "message": "%s of %s"}`
	switch {
	case pod == "forbidden":
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, status, "Forbidden", http.StatusForbidden, r.Method, pod)
	case pod == "gone":
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, status, "NotFound", http.StatusNotFound, r.Method, pod)
	case r.Header.Get("Authorization") != "Bearer t", r.URL.Path != "/api/v1/namespaces/shop/pods/pod/portforward":
		http.Error(w, "what?", http.StatusBadRequest)
	case !k.old:
		k.overWebSocket(w, r)
	case r.Method == http.MethodPost:
		k.overSPDY(w, r)
	default:
		http.Error(w, "no such protocol", http.StatusBadRequest)
	}
}

func (k kubelet) overWebSocket(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{
		Subprotocols: []string{constants.WebsocketsSPDYTunnelingPrefix + portforward.PortForwardProtocolV1Name},
	}
	socket, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		k.t.Errorf("upgrade: %v", err)
		return
	}
	var pair streams
	conn, err := spdy.NewServerConnection(portforward.NewTunnelingConnection("kubelet", socket), k.handler(&pair))
	if err != nil {
		k.t.Errorf("upgrade: %v", err)
		return
	}
	<-conn.CloseChan()
	_ = conn.Close()
}

func (k kubelet) overSPDY(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{portforward.PortForwardProtocolV1Name}); err != nil {
		k.t.Errorf("handshake: %v", err)
		return
	}
	var pair streams
	if conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, k.handler(&pair)); conn != nil {
		<-conn.CloseChan()
		_ = conn.Close()
	}
}

// streams are those of one port. The client opens that for complaints first.
type streams struct{ complaints httpstream.Stream }

func (k kubelet) handler(pair *streams) httpstream.NewStreamHandler {
	return func(stream httpstream.Stream, agreed <-chan struct{}) error {
		if k.mute != nil {
			<-k.mute
		}
		switch kind := stream.Headers().Get(corev1.StreamType); kind {
		case corev1.StreamTypeError:
			pair.complaints = stream
		case corev1.StreamTypeData:
			go answer(pair.complaints, stream, agreed)
		default:
			k.t.Errorf("a stream of type %q", kind)
		}
		return nil
	}
}

// answer echoes in upper case, up to one of the words that end it. It ends as the kubelet does: the complaint first.
func answer(complaints, data httpstream.Stream, agreed <-chan struct{}) {
	<-agreed
	defer func() { _, _ = complaints.Close(), data.Close() }()
	if port := data.Headers().Get(corev1.PortHeader); port != "8081" {
		fmt.Fprintf(complaints, "port %s: connection refused", port)
		return
	}
	buffer := make([]byte, 64<<10)
	for {
		n, err := data.Read(buffer)
		switch {
		case err != nil, string(buffer[:n]) == "bye":
			return
		case string(buffer[:n]) == "fail":
			fmt.Fprint(complaints, "broken pipe")
			return
		}
		if _, err := data.Write(bytes.ToUpper(buffer[:n])); err != nil {
			return
		}
	}
}

func openServer(t *testing.T, handler http.Handler) *Cluster {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true // as apiservers do, though it has no upgrades
	server.StartTLS()
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "config")
	config := strings.Replace(kubeconfig(server.URL), `"}}],`, `", insecure-skip-tls-verify: true}}],`, 1)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
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

func dial(t *testing.T, ctx context.Context, c *Cluster, port int) net.Conn {
	t.Helper()
	conn, err := c.Dial(ctx, "shop", "pod", port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func write(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if n, err := io.WriteString(conn, text); n != len(text) || err != nil {
		t.Fatalf("write %q: %d, %v", text, n, err)
	}
}

// TestDial talks through clusters of today and of before 1.31.
func TestDial(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]bool{"websocket": false, "spdy": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := openServer(t, kubelet{t: t, old: old})
			conn := dial(t, t.Context(), c, 8081)
			for _, text := range []string{"hello", strings.Repeat("long ", 100_000)} {
				go func() { _, _ = io.WriteString(conn, text) }()
				got := make([]byte, len(text))
				if _, err := io.ReadFull(conn, got); string(got) != strings.ToUpper(text) || err != nil {
					t.Fatalf("%d bytes came back as %.20q, %v", len(text), got, err)
				}
			}
			write(t, conn, "bye")
			if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("after the end: %d, %v", n, err)
			}
			failing := dial(t, t.Context(), c, 8081)
			write(t, failing, "fail")
			for range 2 { // it does not turn into an end
				_, err := io.ReadAll(failing)
				if err == nil || !strings.Contains(err.Error(), "forward shop/pod:8081: broken pipe") {
					t.Errorf("the error of the other side: %v", err)
				}
			}
		})
	}
}

// TestDialRefused reads why there is no connection, and by whom.
func TestDialRefused(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]bool{"websocket": false, "spdy": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := openServer(t, kubelet{t: t, old: old})
			if _, err := c.Dial(t.Context(), "shop", "forbidden", 8081); !apierrors.IsForbidden(err) ||
				err.Error() != "GET of forbidden" {
				t.Errorf("forbidden: %v", err)
			}
			if _, err := c.Dial(t.Context(), "shop", "gone", 8081); !apierrors.IsNotFound(err) {
				t.Errorf("gone: %v", err)
			}
			if _, err := c.Dial(t.Context(), "other", "pod", 8081); err == nil || !strings.Contains(err.Error(), "400 Bad Request): what?") {
				t.Errorf("without a status: %v", err)
			}
			_, err := dial(t, t.Context(), c, 1).Read(make([]byte, 1))
			if err == nil || err.Error() != "forward shop/pod:1: port 1: connection refused" {
				t.Errorf("a port where nobody listens: %v", err)
			}
		})
	}
}

// TestDialEndsWithItsContext ends it before, while and after the connection is made.
func TestDialEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := openServer(t, kubelet{t: t})
	conn := dial(t, ctx, c, 8081)
	read := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		read <- err
	}()
	cancel()
	if err := <-read; !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	if _, err := c.Dial(ctx, "shop", "pod", 8081); !errors.Is(err, context.Canceled) {
		t.Errorf("dialled with a context that is over: %v", err)
	}
}

// TestDialOfMute gives up a kubelet that takes the connection and answers nothing.
func TestDialOfMute(t *testing.T) {
	t.Parallel()
	mute, asked := make(chan struct{}), make(chan struct{})
	k := kubelet{t: t, mute: mute}
	c := openServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		k.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { close(mute) })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, err := c.Dial(ctx, "shop", "pod", 8081); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestDialClosed ends a read on this side.
func TestDialClosed(t *testing.T) {
	t.Parallel()
	conn := dial(t, t.Context(), openServer(t, kubelet{t: t}), 8081)
	read := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		read <- err
	}()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if err := <-read; err == nil {
		t.Error("read from a connection that is closed")
	}
	if err := conn.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

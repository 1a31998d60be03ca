package supervisor

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/invoke"
	"github.com/pelton-dev/pelton/internal/invoke/execcall"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
	"github.com/pelton-dev/pelton/internal/invoke/streamcall"
)

// link is the way between a replica's sidecar and its handler.
type link struct {
	inv     invoke.Invoker
	address string   // for people; "" for exec
	env     []string // what the handler must know of it
	socket  string   // removed at the end; "" for TCP and exec
	port    int      // given back at the end; 0 for others
}

// openLink makes the invoker of a replica. For stream it listens already: the handler dials it.
func (r *replica) openLink() error {
	h := r.fn.Spec.Handler
	var err error
	if r.referenced, err = referenced(r.fn); err != nil { // what has changed since the last replica began is read anew
		return err
	}
	switch {
	case h.Protocol == function.ProtocolExec:
		r.link.inv, err = execcall.New(execcall.Config{
			Command: r.execCommand(), Dir: r.fn.Origin.Dir, Env: r.environment(), Guard: r.unit.sup.cfg.Guard, Stderr: r.stderr(),
		})
	case h.Protocol == function.ProtocolStream:
		r.useSocket()
		r.link.inv, err = streamcall.Listen(streamcall.Config{
			Socket: r.link.socket, Function: r.fn.Metadata.Name, Namespace: r.fn.Metadata.Namespace, Replica: r.name,
			Batches: r.fn.Spec.Batch != nil,
		})
	case h.Listen == function.ListenUnix:
		r.useSocket()
		r.link.inv, err = httpcall.New(r.httpConfig("unix", r.link.socket))
	default:
		if r.link.port, err = r.unit.sup.ports.take(); err != nil {
			return err
		}
		port := strconv.Itoa(r.link.port)
		r.link.address = net.JoinHostPort("127.0.0.1", port)
		r.link.env = []string{"PORT=" + port}
		r.link.inv, err = httpcall.New(r.httpConfig("tcp", r.link.address))
	}
	if err != nil {
		return fmt.Errorf("reach handler: %w", err)
	}
	return nil
}

// execCommand is the handler's command with its program resolved: a version manager's shim would slow down every call.
func (r *replica) execCommand() []string {
	command := slices.Clone(r.fn.Spec.Handler.Command)
	if r.path != "" {
		command[0] = r.path
	}
	return command
}

func (r *replica) httpConfig(network, address string) httpcall.Config {
	return httpcall.Config{
		Network: network, Address: address, Plain: r.fn.Spec.Handler.Protocol == function.ProtocolHTTP,
		MaxIdle: r.fn.Spec.Concurrency,
	}
}

// useSocket gives the replica a socket of its own. The name is short: the path of a socket may have only 107 bytes.
func (r *replica) useSocket() {
	r.link.socket = filepath.Join(r.unit.sup.dir, strconv.FormatUint(r.serial, 36)+".sock")
	r.link.address = r.link.socket
	r.link.env = []string{"PELTON_SOCKET=" + r.link.socket}
}

// hangUp closes the connections to a handler that speaks HTTP, when there are no calls any more. Some servers (gunicorn with threads) end
// only when their connections do, also one that nothing was sent on. Handlers of the stream protocol would connect again.
func (r *replica) hangUp() {
	switch r.fn.Spec.Handler.Protocol {
	case function.ProtocolHTTP, function.ProtocolCloudEvents:
		_ = r.link.inv.Close()
	}
}

// closeLink releases everything that openLink took.
func (r *replica) closeLink() {
	if r.link.inv != nil {
		_ = r.link.inv.Close()
	}
	if r.link.socket != "" {
		_ = os.Remove(r.link.socket)
	}
	if r.link.port != 0 {
		r.unit.sup.ports.give(r.link.port)
	}
}

// environment is the handler's: ours, the manifest's, and what Pelton says, which wins.
func (r *replica) environment() []string {
	env := handlerEnv(r.fn)
	env = append(env, r.referenced...)
	env = append(env, r.identity()...)
	return append(env, r.link.env...)
}

// identity tells a replica's processes from all others of this run. The name alone does not: a function that was removed and
// added again counts its replicas from 1, and one of before may still drain.
func (r *replica) identity() []string {
	return []string{
		"PELTON_FUNCTION=" + r.fn.Metadata.Name, "PELTON_NAMESPACE=" + r.fn.Metadata.Namespace, "PELTON_REPLICA=" + r.name,
		"PELTON_REPLICA_SERIAL=" + strconv.FormatUint(r.serial, 10),
		"PELTON_PROTOCOL=" + string(r.fn.Spec.Handler.Protocol),
	}
}

// handlerEnv is our own environment and the manifest's. What is Pelton's in ours is not for handlers: it may be a secret, or
// come from a handler that started us.
func handlerEnv(fn *function.Function) []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PELTON_") && !strings.HasPrefix(kv, "PORT=") {
			env = append(env, kv)
		}
	}
	for _, v := range fn.Spec.Handler.Env {
		if v.ValueFrom == nil {
			env = append(env, v.Name+"="+v.Value)
		}
	}
	return env
}

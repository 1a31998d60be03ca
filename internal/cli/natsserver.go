package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/pelton-dev/pelton/internal/supervisor"
)

const (
	// maxPayload is above the 1 MiB that publishers usually have, so that a dead letter or a parked retry of the largest
	// event still fits with the headers that it gains.
	maxPayload = 2 << 20

	// storeShare is the part of the free disk that the store may fill. A full store then is a clean refusal; a full disk
	// would freeze streams until a restart.
	storeShare = 0.8

	natsReady = 20 * time.Second
	natsEnd   = 20 * time.Second
)

// natsServer is the NATS server inside `pelton up`. When its store has to be opened again it is another server, on the same
// port: its clients come back to it as they do after any restart.
type natsServer struct {
	dir      string
	maxStore int64
	logger   *zap.Logger
	tell     func(supervisor.Event) // what the user shall know of the store; set before run
	fatal    chan error             // written once by the servers' logger
	log      *natsLogger

	mu   sync.Mutex // guards what follows
	port int
	srv  *server.Server
}

var _ nats.InProcessConnProvider = (*natsServer)(nil)

// startNATS starts the server on the loopback interface with its store of at most maxStore bytes in dir, and waits until it
// takes connections. Port 0 takes any free one.
func startNATS(port int, dir string, maxStore int64, logger *zap.Logger) (*natsServer, error) {
	if port == 0 {
		port = server.RANDOM_PORT
	}
	n := &natsServer{
		dir: dir, maxStore: maxStore, logger: logger.Named("nats"), tell: func(supervisor.Event) {}, fatal: make(chan error, 1),
		port: port,
	}
	n.log = &natsLogger{logger: n.logger, fatal: n.fatal}
	if err := n.start(); err != nil {
		return nil, err
	}
	return n, nil
}

// start starts a server; there must be none.
func (n *natsServer) start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	srv, err := server.NewServer(&server.Options{
		ServerName: "pelton", Host: loopback, Port: n.port, NoSigs: true, NoLog: true, MaxPayload: maxPayload,
		JetStream: true, StoreDir: n.dir, JetStreamMaxStore: n.maxStore, SyncAlways: !planted(bugSyncOff),
	})
	if err != nil {
		return fmt.Errorf("start NATS: %w", err)
	}
	srv.SetLogger(n.log, false, false)
	go srv.Start() // returns once it listens, or stays if it cannot; Shutdown ends it
	if err := n.awaitReady(srv); err != nil {
		_ = end(srv)
		return err
	}
	if address, ok := srv.Addr().(*net.TCPAddr); ok {
		n.port = address.Port
	}
	n.srv = srv
	return nil
}

// restart ends the server and starts it again. Two must never have the store open.
func (n *natsServer) restart() error {
	if !end(n.current()) {
		return fmt.Errorf("stop NATS, for a store that refuses: %w after %v: start pelton up again", errStuck, natsEnd)
	}
	if err := n.start(); err != nil {
		return fmt.Errorf("start NATS again, for a store that refuses: %w", err)
	}
	return nil
}

// current is the server of this moment.
func (n *natsServer) current() *server.Server {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.srv
}

// InProcessConn connects to the server of this moment.
func (n *natsServer) InProcessConn() (net.Conn, error) { return n.current().InProcessConn() }

func (n *natsServer) awaitReady(srv *server.Server) error {
	ready := make(chan bool, 1)
	go func() { ready <- srv.ReadyForConnections(natsReady) }()
	select {
	case err := <-n.fatal:
		return err
	case ok := <-ready:
		if !ok {
			return fmt.Errorf("start NATS: not ready after %s", natsReady)
		}
		return nil
	}
}

func (n *natsServer) url() string { return n.current().ClientURL() }

// inProcessTimeout is how long the server inside may take to greet us: it is only slow if the machine is.
const inProcessTimeout = 30 * time.Second

// dial connects inside the process, past the network.
func (n *natsServer) dial(name string) (*nats.Conn, error) {
	nc, err := nats.Connect("", append(connOptions(name), nats.InProcessServer(n), nats.Timeout(inProcessTimeout))...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return nc, nil
}

// run watches the store until ctx ends; it returns earlier only if the server fails.
func (n *natsServer) run(ctx context.Context) error {
	health := storeHealth{server: n}
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-n.fatal:
			return err
		case <-tick.C:
			if err := health.check(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

func (n *natsServer) stop() {
	if !end(n.current()) {
		n.logger.Error("the NATS server did not stop; what it had acknowledged is on the disk", zap.Duration("after", natsEnd))
	}
}

// end stops a server and reports whether it has ended. One that is stuck must keep nobody from leaving.
func end(srv *server.Server) bool {
	ended := make(chan struct{})
	go func() {
		srv.Shutdown()
		srv.WaitForShutdown()
		close(ended)
	}()
	select {
	case <-ended:
		return true
	case <-time.After(natsEnd):
		return false
	}
}

// storeLimit is how large a store in dir may be: what is already there, and most of what is free.
func storeLimit(dir string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, fmt.Errorf("look at the disk of %s: %w", dir, err)
	}
	free := float64(stat.Bavail) * float64(stat.Bsize) //nolint:unconvert // the types differ between systems
	return sizeOf(dir) + int64(free*storeShare), nil
}

// sizeOf adds up the files under dir. One that goes away meanwhile does not count.
func sizeOf(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}

// natsLogger passes the server's log on. A fatal line of the server is no reason to exit by itself: it ends `up`.
type natsLogger struct {
	logger *zap.Logger
	fatal  chan error
	once   sync.Once
}

var _ server.Logger = (*natsLogger)(nil)

func (l *natsLogger) Noticef(format string, v ...any) { l.logger.Debug(fmt.Sprintf(format, v...)) }
func (l *natsLogger) Errorf(format string, v ...any)  { l.logger.Error(fmt.Sprintf(format, v...)) }
func (l *natsLogger) Debugf(string, ...any)           {}
func (l *natsLogger) Tracef(string, ...any)           {}

// Warnf passes a warning on. That a stream was not closed in order says only that we were killed: the server reads its
// blocks again, and nobody has to do anything.
func (l *natsLogger) Warnf(format string, v ...any) {
	text := strings.TrimSpace(fmt.Sprintf(format, v...))
	if strings.HasPrefix(text, healthWarning) {
		return // it is we who have asked, and the console tells
	}
	if slices.ContainsFunc(afterKill[:], func(part string) bool { return strings.Contains(text, part) }) {
		l.logger.Info(text)
		return
	}
	l.logger.Warn(text)
}

// healthWarning begins what the server says each time that it is asked for its health and has none.
const healthWarning = "Healthcheck failed"

// afterKill is what the server says of each stream that it finds as a kill has left it.
var afterKill = [...]string{
	"Stream state outdated", "Stream state detected prior state", "errored: prior state file",
	"state is outdated; attempting to recover",
}

// Fatalf tells the owner of the server.
func (l *natsLogger) Fatalf(format string, v ...any) {
	l.once.Do(func() { l.fatal <- errors.New("NATS server: " + fmt.Sprintf(format, v...)) })
}

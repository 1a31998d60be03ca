package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// The environment that makes a program one of the processes of a world.
const (
	roleVariable    = "FAULTS_ROLE"
	ledgerVariable  = "FAULTS_LEDGERS"
	replicaVariable = "FAULTS_REPLICA"
	takesVariable   = "FAULTS_TAKES"
	batchesVariable = "FAULTS_BATCHES" // not empty: many events at once
	loadVariable    = "FAULTS_LOAD"
	seedVariable    = "FAULTS_SEED"
	storeVariable   = "FAULTS_STORE"
	portVariable    = "FAULTS_PORT"
	syncVariable    = "FAULTS_SYNC" // of the server: lazy is its own default, every two minutes
	httpVariable    = "FAULTS_HTTP"
	natsVariable    = "NATS_URL"

	plantedVariable = "PELTON_PLANTED" // of our programs, built with the tag
)

const (
	roleServer    = serverName
	rolePublisher = publisherName
	roleHandler   = "handler"
)

// The names of ledgers.
const (
	publisherLedger = "publisher"
	handlerLedger   = "handler"
	healedLedger    = "healed" // of handlers that take everything
)

// exitBroken is the exit code of a role that could not do its part: the run then proves nothing.
const exitBroken = 3

// RunRole is called first by every program that runs a world: processes of the world are the same program again. It reports
// whether this process is one, and returns when its part is over; the program then exits with the code.
func RunRole(ctx context.Context) (code int, isRole bool) {
	role := os.Getenv(roleVariable)
	if role == "" {
		return 0, false
	}
	roles := map[string]func(context.Context, func(string) string) error{
		roleServer: serve, rolePublisher: publish, roleHandler: handle,
	}
	run, ok := roles[role]
	if !ok {
		fmt.Fprintf(os.Stderr, "%s: no role %q\n", roleVariable, role)
		return exitBroken, true
	}
	if err := run(ctx, os.Getenv); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
		return 1, true
	}
	return 0, true
}

const serverPatience = time.Minute

var errNotReady = errors.New("not ready in time")

// syncLazy is for what is no question of disks.
const syncLazy = "lazy"

// serve is the NATS server, with every write synced as in the product.
func serve(ctx context.Context, getenv func(string) string) error {
	port, err := strconv.Atoi(getenv(portVariable))
	if err != nil {
		return fmt.Errorf("read %s: %w", portVariable, err)
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "faults", Host: loopback, Port: port, JetStream: true, StoreDir: getenv(storeVariable),
		SyncAlways: getenv(syncVariable) != syncLazy, MaxPayload: 2 << 20, NoSigs: true,
	})
	if err != nil {
		return fmt.Errorf("make server: %w", err)
	}
	s.ConfigureLogger()
	s.Start()
	if !s.ReadyForConnections(serverPatience) {
		return fmt.Errorf("start server: %w", errNotReady)
	}
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

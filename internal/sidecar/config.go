package sidecar

import (
	"time"

	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/ledger"
	"github.com/pelton-dev/pelton/internal/stream"
)

// Defaults of Config.
const (
	DefaultDrainTimeout    = 20 * time.Second // with what follows it, within Kubernetes' grace period of 30 s
	DefaultMaxRedeliveries = 16
)

// Config says what a sidecar delivers and how.
type Config struct {
	Function  *function.Function // with its defaults set
	Replica   string             // a name for records and logs
	StartedAt time.Time          // when the start of the replica was decided; zero counts no cold starts

	// DrainTimeout is how long running calls may go on after Run's context has ended. 0 is DefaultDrainTimeout.
	DrainTimeout time.Duration

	// AckWait is that of the function's consumers; a third of it is the time between signs of life. 0 is stream.AckWait.
	AckWait time.Duration

	// MaxRedeliveries is how often one message may be delivered again without a settlement before it becomes a dead letter
	// with the reason crash-loop. Only killed sidecars and hand-backs count here, not attempts. 0 is DefaultMaxRedeliveries.
	MaxRedeliveries int

	// TellBusy has the replica tell on event.BusySubject how many of its calls last, if its name can be part of a subject.
	TellBusy bool

	Recorder ledger.Recorder // nil records nothing
	Metrics  *Metrics        // nil counts nothing
	Logger   *zap.Logger     // nil logs nothing
}

func (c Config) withDefaults() Config {
	if c.DrainTimeout == 0 {
		c.DrainTimeout = DefaultDrainTimeout
	}
	if c.AckWait == 0 {
		c.AckWait = stream.AckWait
	}
	if c.MaxRedeliveries == 0 {
		c.MaxRedeliveries = DefaultMaxRedeliveries
	}
	if c.Recorder == nil {
		c.Recorder = ledger.RecorderFunc(func(ledger.Run) {})
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	return c
}

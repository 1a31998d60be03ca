package invoketest

import (
	"testing"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke"
)

// Protocol describes one implementation to the suite.
type Protocol struct {
	// New makes an invoker whose handler is not running yet.
	New func(t testing.TB, c Config) Harness

	// RetryAfter says that the protocol can carry the delay of a Retry.
	RetryAfter bool

	// Brief says that the protocol tells the handler neither the function nor the deadline of a call.
	Brief bool

	// Carries returns what of an event reaches the handler. Nil means all of it.
	Carries func(e event.Event) event.Event

	// Concurrent is how many calls the concurrency case makes at once. Zero means 1,000.
	Concurrent int
}

// Config is what the suite asks of a new invoker.
type Config struct {
	MaxResponse int      // limit of the invoker under test
	Env         []string // to be added to the environment of every handler process
}

// Harness is one invoker and the way to give it a handler.
type Harness struct {
	Invoker invoke.Invoker

	// Start makes a handler available and returns how to take it away at once; when kill returns it is gone. The suite
	// never has two handlers of one harness at a time. StartProcess does this for handlers that are servers.
	Start func(t testing.TB) (kill func())
}

package supervisor

import (
	"time"

	"github.com/pelton-dev/pelton/internal/function"
)

// EventKind is what happened.
type EventKind string

// The kinds of events.
const (
	EventScaled      EventKind = "scaled"       // another number of replicas is wanted; Text is the reason
	EventReady       EventKind = "ready"        // a replica accepts calls; Took is since its start was decided
	EventExited      EventKind = "exited"       // a replica that was ready ended by itself
	EventStartFailed EventKind = "start-failed" // a replica did not get ready
	EventReloaded    EventKind = "reloaded"     // a changed version serves from now on
	EventBuild       EventKind = "build"        // a build has begun
	EventBuilt       EventKind = "built"
	EventBuildFailed EventKind = "build-failed"
	EventSetupFailed EventKind = "setup-failed" // a version cannot serve; Text is why
	EventAdded       EventKind = "added"
	EventRemoved     EventKind = "removed"
	EventMuted       EventKind = "muted"         // a file changed too often; it restarts nothing any more
	EventReloadError EventKind = "reload-failed" // the manifests cannot be used; Function is empty
	EventWatchError  EventKind = "watch-failed"  // files cannot be watched
)

// Event is something a person may want to see.
type Event struct {
	Time     time.Time
	Kind     EventKind
	Function function.Key
	Replica  string
	Wanted   int           // EventScaled
	Text     string        // one sentence
	Took     time.Duration // EventReady, EventBuilt
	Lines    []string      // the last lines of stderr or of a build
}

// Output is one line that a handler or a build wrote.
type Output struct {
	Function function.Key
	Replica  string // empty for a build
	Stderr   bool
	Line     string
}

package supervisor

import (
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/process"
)

// Phase is what a function as a whole is about.
type Phase string

// The phases of a function. A function whose last change cannot be set up serves the version before, if there is one:
// SetupError says so in every phase.
const (
	PhaseSetup    Phase = "setting-up"  // consumers or a first build are not done yet
	PhaseBroken   Phase = "broken"      // no version of it could be set up
	PhaseIdle     Phase = "idle"        // zero replicas, none wanted
	PhaseStarting Phase = "starting"    // replicas start, none is ready
	PhaseReady    Phase = "ready"       // at least one replica is ready
	PhaseBackoff  Phase = "backing-off" // replicas are wanted, and the next start waits
	PhaseDraining Phase = "draining"    // the last replicas are on their way out
)

// Status is everything that is known of one function now.
type Status struct {
	Function *function.Function `json:"-"` // the version that serves, or the first one if none does yet
	Key      function.Key       `json:"-"` // whoever shows a status says whose it is
	Phase    Phase              `json:"phase"`

	Wanted    int       `json:"wanted"`
	Held      *int      `json:"held,omitempty"` // how many replicas somebody holds it at
	Reason    string    `json:"reason"`         // why that many
	DecidedAt time.Time `json:"decidedAt,omitzero"`
	Starting  int       `json:"starting"`
	Ready     int       `json:"ready"`
	Draining  int       `json:"draining"`

	Due         int           `json:"due"`
	InFlight    int           `json:"inFlight"`
	ServiceTime time.Duration `json:"serviceTimeNs,omitempty"`
	LastRun     time.Time     `json:"lastRun,omitzero"`
	QueueError  string        `json:"queueError,omitempty"` // why the queue cannot be read

	Replicas  []ReplicaStatus `json:"replicas,omitempty"`
	Restarts  int             `json:"restarts"`           // after ends that nobody had asked for
	NextStart time.Time       `json:"nextStart,omitzero"` // the end of the back-off
	Backoff   string          `json:"backoff,omitempty"`
	LastExit  *Exit           `json:"lastExit,omitempty"` // the last end that nobody had asked for
	LastStart *StartTimes     `json:"lastStart,omitempty"`

	Build      *BuildStatus `json:"build,omitempty"`
	SetupError string       `json:"setupError,omitempty"` // why the newest version does not serve
	Muted      []string     `json:"muted,omitempty"`      // files that changed too often to go on restarting for them
}

// ReplicaStatus is one replica.
type ReplicaStatus struct {
	Name       string    `json:"name"`
	State      string    `json:"state"` // starting, ready or draining
	PID        int       `json:"pid,omitempty"`
	Address    string    `json:"address,omitempty"`
	Generation int       `json:"generation"`
	StartedAt  time.Time `json:"startedAt"`
	InFlight   int       `json:"inFlight"`
	Paused     bool      `json:"paused,omitempty"`  // its handler has stopped accepting calls
	Resting    string    `json:"resting,omitempty"` // why it asks for nothing: calls have failed one after another
}

// Exit is the end of a replica that nobody had asked for.
type Exit struct {
	Replica string        `json:"replica"`
	At      time.Time     `json:"at"`
	Reason  string        `json:"reason"` // in words
	Code    int           `json:"code"`
	Signal  string        `json:"signal,omitempty"`
	Uptime  time.Duration `json:"uptimeNs"`
	Stderr  []string      `json:"stderr,omitempty"` // the last lines
	Ready   bool          `json:"ready"`            // it had accepted calls before
}

// exitOf fills what the process itself says.
func exitOf(e process.Exit) Exit { return Exit{Code: e.Code, Signal: e.Signal, Uptime: e.Uptime} }

// StartTimes is what the last start that succeeded took, counted from its decision.
type StartTimes struct {
	Replica string        `json:"replica"`
	At      time.Time     `json:"at"`
	Spawned time.Duration `json:"spawnedNs"` // until the process ran
	Ready   time.Duration `json:"readyNs"`   // until the handler accepted calls
}

// BuildStatus is the last build.
type BuildStatus struct {
	State    string        `json:"state"` // waiting, running, done or failed
	At       time.Time     `json:"at"`
	Duration time.Duration `json:"durationNs,omitempty"`
	Error    string        `json:"error,omitempty"`
	Output   []string      `json:"output,omitempty"` // the last lines
}

// The states of a build.
const (
	BuildWaiting = "waiting" // for other functions' builds
	BuildRunning = "running"
	BuildDone    = "done"
	BuildFailed  = "failed"
)

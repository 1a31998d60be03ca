// Package function owns the Function manifest: its types, its defaults and its rules.
//
// It is a leaf: it knows nothing of NATS, of processes or of Kubernetes, so that the same types serve one machine, the
// sidecar in a pod and, later, the custom resource. Nothing in it runs; there is nothing to stop.
package function

import (
	"encoding/json"
	"fmt"
	"time"
)

// APIVersion and Kind are the only ones a manifest may carry.
const (
	APIVersion = "pelton.dev/v1alpha1"
	Kind       = "Function"
)

// DefaultNamespace is the namespace of a manifest that names none.
const DefaultNamespace = "default"

// Function is one manifest: a named handler, its triggers, and how it is delivered to and scaled.
type Function struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`

	// Origin says where the manifest was read. It is not part of the manifest.
	Origin Origin `json:"-"`
}

// Key names a function within one NATS account.
type Key struct{ Namespace, Name string }

// String is the form used in logs and messages: the bare name in the default namespace, else namespace/name.
func (k Key) String() string {
	if k.Namespace == DefaultNamespace || k.Namespace == "" {
		return k.Name
	}
	return k.Namespace + "/" + k.Name
}

// Key returns the function's namespace and name.
func (f *Function) Key() Key { return Key{Namespace: f.Metadata.Namespace, Name: f.Metadata.Name} }

// Origin is the place a manifest was read from.
type Origin struct {
	File string // path as the user gave it
	Line int    // 1-based line of the document's first key
	Dir  string // absolute directory of File: the working directory of the handler's command
}

// Metadata names a function. Labels and annotations are kept and never interpreted.
type Metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Spec is what the user asks for.
type Spec struct {
	Triggers    []Trigger  `json:"triggers"`
	Handler     Handler    `json:"handler"`
	Concurrency int        `json:"concurrency,omitempty"` // events in flight per replica
	Timeout     Duration   `json:"timeout,omitempty"`     // per attempt
	Retry       Retry      `json:"retry,omitempty"`
	Ordering    *Ordering  `json:"ordering,omitempty"`
	Batch       *Batch     `json:"batch,omitempty"`
	Reply       *Reply     `json:"reply,omitempty"`
	Scale       Scale      `json:"scale,omitempty"`
	Resources   *Resources `json:"resources,omitempty"`
}

// Trigger is what makes events for a function. Exactly one field is set.
type Trigger struct {
	Event    *EventTrigger    `json:"event,omitempty"`
	Schedule *ScheduleTrigger `json:"schedule,omitempty"`
	HTTP     *HTTPTrigger     `json:"http,omitempty"`
}

// EventTrigger subscribes to subjects of a stream.
type EventTrigger struct {
	Stream   string   `json:"stream,omitempty"` // default EVENTS
	Subjects []string `json:"subjects"`         // NATS subjects, * and > allowed
	Filter   string   `json:"filter,omitempty"` // CEL over event and data; empty takes everything
}

// ScheduleTrigger makes one event at each time its cron expression names.
type ScheduleTrigger struct {
	Cron     string          `json:"cron"`               // five fields: minute hour day-of-month month day-of-week
	TimeZone string          `json:"timeZone,omitempty"` // IANA name, default UTC
	Data     json.RawMessage `json:"data,omitempty"`     // the event's data, as JSON
}

// HTTPTrigger turns requests for a path into events in the function's own queue.
type HTTPTrigger struct {
	Path    string   `json:"path"`
	Methods []string `json:"methods,omitempty"` // default POST
	Mode    string   `json:"mode,omitempty"`    // ModeAsync
}

// ModeAsync answers 202 once the event is stored. ModeSync, where the caller waits for the answer, is refused by Validate
// until the HTTP front door exists.
const (
	ModeAsync = "async"
	ModeSync  = "sync"
)

// Protocol is how the sidecar speaks to the handler.
type Protocol string

// The handler protocols of this version.
const (
	ProtocolCloudEvents Protocol = "cloudevents"
	ProtocolHTTP        Protocol = "http"
	ProtocolExec        Protocol = "exec"
	ProtocolStream      Protocol = "stream"
)

// Listen says where an HTTP handler listens.
const (
	ListenTCP  = "tcp"  // 127.0.0.1:$PORT
	ListenUnix = "unix" // the unix socket $PELTON_SOCKET
)

// Handler is the user's code and how to reach it.
type Handler struct {
	Protocol Protocol `json:"protocol,omitempty"` // default cloudevents
	Command  []string `json:"command,omitempty"`  // one machine: the child process
	Build    []string `json:"build,omitempty"`    // one machine: run once before the first start and after each change
	Image    string   `json:"image,omitempty"`    // Kubernetes
	Port     int      `json:"port,omitempty"`     // Kubernetes: the container's port. One machine: $PORT, a free one
	Listen   string   `json:"listen,omitempty"`   // cloudevents and http: tcp (default) or unix
	Env      []EnvVar `json:"env,omitempty"`
}

// EnvVar is one variable of the handler's environment.
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Retry bounds what happens after an outcome that asks for another attempt.
type Retry struct {
	MaxAttempts int      `json:"maxAttempts,omitempty"` // attempts in all, the first included
	MinBackoff  Duration `json:"minBackoff"`            // always written: 0s is a choice of its own, not the default
	MaxBackoff  Duration `json:"maxBackoff"`
	MaxAge      Duration `json:"maxAge,omitempty"` // since the event was stored; 0 is no limit
}

// Ordering asks for order per key.
type Ordering struct {
	Key string `json:"key"`
}

// Batch asks for many events in one call.
type Batch struct {
	MaxEvents int      `json:"maxEvents"`
	MaxWait   Duration `json:"maxWait,omitempty"`
}

// Reply says where an event that the handler returns is published.
type Reply struct {
	Subject string `json:"subject"`
}

// Scale bounds and steers the number of replicas.
type Scale struct {
	MinReplicas int      `json:"minReplicas,omitempty"`
	MaxReplicas int      `json:"maxReplicas,omitempty"`
	Target      Target   `json:"target,omitempty"`
	Cooldown    Duration `json:"cooldown"` // how long nothing must be due before replicas go; always written, like minBackoff
}

// Target turns waiting events into replicas. At most one field is set; neither means Backlog = Concurrency.
type Target struct {
	Backlog int      `json:"backlog,omitempty"` // waiting and running events per replica
	Drain   Duration `json:"drain,omitempty"`   // the backlog shall be worked off within this time
}

// Resources are requests and limits for the container on Kubernetes; one machine ignores them.
type Resources struct {
	Requests map[string]string `json:"requests,omitempty"`
	Limits   map[string]string `json:"limits,omitempty"`
}

// Duration is a time.Duration written as Go writes it: "1h30m", "250ms".
type Duration time.Duration

// String formats d as time.Duration does.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes the duration as a string.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads a duration string.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("duration must be a string such as \"30s\": %w", err)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("duration %q: want a number and a unit, such as \"30s\"", s)
	}
	*d = Duration(v)
	return nil
}

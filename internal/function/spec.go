// Package function owns the Function manifest: its types, its defaults and its rules.
//
// It is a leaf: it knows nothing of NATS, of processes or of Kubernetes, so that the same types serve one machine, the
// sidecar in a pod and the custom resource, for whose schema the +kubebuilder comments are. Nothing in it runs; there is
// nothing to stop.
package function

import "encoding/json"

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
//
// +kubebuilder:validation:XValidation:rule="!has(self.ordering)",message="order per key is not in this version",fieldPath=".ordering"
// +kubebuilder:validation:XValidation:rule="!has(self.batch)",message="batches are not in this version",fieldPath=".batch"
// +kubebuilder:object:generate=true
type Spec struct {
	// What makes events for this function.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Triggers []Trigger `json:"triggers"`
	// The user's code, and how to reach it.
	Handler Handler `json:"handler"`
	// Events in flight per replica. Default: 8; for protocol exec 4.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Concurrency int `json:"concurrency,omitempty"`
	// How long one attempt may take. Default: 30s.
	Timeout Duration `json:"timeout,omitempty"`
	// What happens after a failed attempt.
	Retry Retry `json:"retry,omitempty"`
	// Order per key. Not in this version.
	Ordering *Ordering `json:"ordering,omitempty"`
	// Many events in one call. Not in this version.
	Batch *Batch `json:"batch,omitempty"`
	// Where an event that the handler returns is published. Default: it is dropped.
	Reply *Reply `json:"reply,omitempty"`
	// How many replicas run.
	Scale Scale `json:"scale,omitempty"`
	// Kubernetes: requests and limits of the handler's container. One machine ignores them.
	Resources *Resources `json:"resources,omitempty"`
	// Kubernetes: what becomes of events that still wait when the function is deleted. keep leaves them in their streams,
	// deadLetter makes each a dead letter, discard gives them up. One machine deletes nothing. Default: keep.
	OnDelete OnDelete `json:"onDelete,omitempty"`
}

// OnDelete is what becomes of the events that wait for a function when it is deleted.
//
// +kubebuilder:validation:Enum=keep;deadLetter;discard
type OnDelete string

// What may become of them.
const (
	OnDeleteKeep       OnDelete = "keep"       // they stay in their streams; the function's own queue waits for it to come back
	OnDeleteDeadLetter OnDelete = "deadLetter" // each becomes a dead letter, and can be replayed
	OnDeleteDiscard    OnDelete = "discard"    // the function's own queue is emptied; other streams are their publishers'
)

// Trigger is what makes events for a function. Exactly one field is set.
//
// +kubebuilder:validation:ExactlyOneOf=event;schedule;http
// +kubebuilder:object:generate=true
type Trigger struct {
	// Events of a stream.
	Event *EventTrigger `json:"event,omitempty"`
	// One event at each time that a cron expression names.
	Schedule *ScheduleTrigger `json:"schedule,omitempty"`
	// Requests for a path.
	HTTP *HTTPTrigger `json:"http,omitempty"`
}

// EventTrigger subscribes to subjects of a stream.
//
// +kubebuilder:object:generate=true
type EventTrigger struct {
	// The stream. Default: EVENTS, which holds events.>
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('PELTON_')",message="streams PELTON_* are reserved for Pelton"
	Stream string `json:"stream,omitempty"`
	// NATS subjects: * is one word, > is one or more at the end. No two may overlap.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Subjects []string `json:"subjects"`
	// CEL over event and data: only events for which it is true are taken. Default: all.
	// +kubebuilder:validation:MaxLength=16384
	Filter string `json:"filter,omitempty"`
}

// ScheduleTrigger makes one event at each time its cron expression names.
//
// +kubebuilder:object:generate=true
type ScheduleTrigger struct {
	// minute hour day-of-month month day-of-week, or @hourly, @daily, @weekly, @monthly, @yearly.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Cron string `json:"cron"`
	// IANA name. Default: UTC.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	TimeZone string `json:"timeZone,omitempty"`
	// The event's data: any JSON. Default: none.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +nullable
	Data json.RawMessage `json:"data,omitempty"`
}

// HTTPTrigger turns requests for a path into events in the function's own queue.
//
// +kubebuilder:object:generate=true
type HTTPTrigger struct {
	// Letters, digits and -._~ between slashes. No two functions may share path and method.
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^/([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*)?$`
	Path string `json:"path"`
	// Default: POST.
	// +listType=set
	// +kubebuilder:validation:MaxItems=5
	// +kubebuilder:validation:items:Enum=GET;POST;PUT;PATCH;DELETE
	Methods []string `json:"methods,omitempty"`
	// async answers 202 once the event is stored. Default: async.
	// +kubebuilder:validation:Enum=async
	Mode string `json:"mode,omitempty"`
}

// ModeAsync answers 202 once the event is stored. ModeSync, where the caller waits for the answer, is refused by Validate
// until the HTTP front door exists.
const (
	ModeAsync = "async"
	ModeSync  = "sync"
)

// Protocol is how the sidecar speaks to the handler.
//
// +kubebuilder:validation:Enum=cloudevents;http;exec;stream
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
//
// +kubebuilder:validation:XValidation:rule="has(self.image) || has(self.command) && size(self.command) > 0",message="it has neither command nor image"
// +kubebuilder:object:generate=true
type Handler struct {
	// Default: cloudevents.
	Protocol Protocol `json:"protocol,omitempty"`
	// One machine: the process to start. Kubernetes: replaces the command of the image.
	// +listType=atomic
	Command []string `json:"command,omitempty"`
	// One machine: run once before the first start and after each change.
	// +listType=atomic
	Build []string `json:"build,omitempty"`
	// Kubernetes: the image of the container.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^[!-~]+$`
	Image string `json:"image,omitempty"`
	// Kubernetes: the port of the container. One machine: the handler listens on $PORT, a free port.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int `json:"port,omitempty"`
	// Protocols cloudevents and http: tcp ($PORT) or unix (the socket $PELTON_SOCKET). Default: tcp.
	// +kubebuilder:validation:Enum=tcp;unix
	Listen string `json:"listen,omitempty"`
	// Variables of the handler. PORT and PELTON_* are set by Pelton.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=1000
	Env []EnvVar `json:"env,omitempty"`
}

// EnvVar is one variable of the handler's environment.
type EnvVar struct {
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Name string `json:"name"`
	// +optional
	Value string `json:"value"`
}

// Retry bounds what happens after an outcome that asks for another attempt. The two backoffs are always written: 0s is a
// choice of its own, not the default.
type Retry struct {
	// Attempts in all, the first included. Default: 5.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxAttempts int `json:"maxAttempts,omitempty"`
	// The shortest wait; its upper bound doubles with each attempt. Default: 1s.
	// +optional
	MinBackoff Duration `json:"minBackoff"`
	// The longest wait, at most 720h. Default: 10m.
	// +optional
	MaxBackoff Duration `json:"maxBackoff"`
	// No attempt for events that were stored longer ago than this. Default: 0s, no limit.
	MaxAge Duration `json:"maxAge,omitempty"`
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
	// One exact subject.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Subject string `json:"subject"`
}

// Scale bounds and steers the number of replicas.
//
// +kubebuilder:validation:XValidation:rule="(has(self.minReplicas) ? self.minReplicas : 0) <= (has(self.maxReplicas) ? self.maxReplicas : 20)",message="minReplicas is more than maxReplicas (20 where it is not set)",fieldPath=".minReplicas"
type Scale struct {
	// Default: 0, nothing runs while there is nothing to do.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	MinReplicas int `json:"minReplicas,omitempty"`
	// Default: 20.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxReplicas int `json:"maxReplicas,omitempty"`
	// How waiting events become replicas. Default: backlog, with the value of concurrency.
	Target Target `json:"target,omitempty"`
	// How long nothing must be due before replicas go. Always written, like the backoffs. Default: 30s.
	// +optional
	Cooldown Duration `json:"cooldown"`
}

// Target turns waiting events into replicas. At most one field is set; neither means Backlog = Concurrency.
//
// +kubebuilder:validation:AtMostOneOf=backlog;drain
type Target struct {
	// So many waiting and running events per replica.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Backlog int `json:"backlog,omitempty"`
	// Enough replicas to work off what waits within this time.
	Drain Duration `json:"drain,omitempty"`
}

// Resources are requests and limits for the container on Kubernetes; one machine ignores them.
//
// +kubebuilder:object:generate=true
type Resources struct {
	// Amounts as text, such as "100m" or "64Mi".
	Requests map[string]string `json:"requests,omitempty"`
	// Amounts as text, such as "100m" or "64Mi".
	Limits map[string]string `json:"limits,omitempty"`
}

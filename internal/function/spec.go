// Package function owns the Function manifest: its types, its defaults and its rules.
//
// It is a leaf: it knows nothing of NATS, of processes or of Kubernetes, so that the same types serve one machine, the
// sidecar in a pod and the custom resource, for whose schema the +kubebuilder comments are. Nothing in it runs; there is
// nothing to stop.
package function

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
// +kubebuilder:validation:XValidation:rule="!has(self.ordering) || !has(self.batch)",message="a function with a batch has no order per key",fieldPath=".ordering"
// +kubebuilder:validation:XValidation:rule="!has(self.batch) || !has(self.handler.protocol) || self.handler.protocol != 'http'",message="protocol http gives the handler one event per request",fieldPath=".batch"
// +kubebuilder:validation:XValidation:rule="!has(self.batch) || self.triggers.all(t, !has(t.http) || !has(t.http.mode) || t.http.mode != 'sync')",message="the answer to a batch has no answers for callers",fieldPath=".batch"
// +kubebuilder:validation:XValidation:rule="!has(self.batch) || self.triggers.all(t, !has(t.http) || !has(t.http.maxBody) || size(t.http.maxBody) == 0)",message="the events of a batch are in memory, and an http trigger has maxBody",fieldPath=".batch"
// +kubebuilder:validation:XValidation:rule="!has(self.ordering) || self.triggers.all(t, !has(t.http) || !has(t.http.maxBody) || size(t.http.maxBody) == 0)",message="the events of an order are in memory, and an http trigger has maxBody",fieldPath=".ordering"
// +kubebuilder:validation:XValidation:rule="!has(self.handler.protocol) || self.handler.protocol != 'stream' || self.triggers.all(t, !has(t.http) || !has(t.http.maxBody) || size(t.http.maxBody) == 0)",message="protocol stream gives events as a whole, and an http trigger has maxBody",fieldPath=".handler.protocol"
// +kubebuilder:validation:XValidation:rule="!has(self.batch) || !has(self.batch.maxEvents) || (has(self.concurrency) ? self.concurrency : has(self.handler.protocol) && self.handler.protocol == 'exec' ? 4 : 8) * self.batch.maxEvents <= 10000",message="concurrency times maxEvents is more than 10000",fieldPath=".batch.maxEvents"
// +kubebuilder:validation:XValidation:rule="!has(self.batch) || !has(self.retry) || !has(self.retry.maxAttempts) || self.retry.maxAttempts > 1",message="1 attempt is too few for batches",fieldPath=".retry.maxAttempts"
// +kubebuilder:object:generate=true
type Spec struct {
	// What makes events for this function.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.map(t, has(t.event) ? size(t.event.subjects) : 0).sum() <= 256",message="there are more than 256 subjects"
	// +kubebuilder:validation:XValidation:rule="self.all(t, !has(t.http) || self.filter(u, has(u.http) && u.http.path == t.http.path && (has(u.http.methods) ? u.http.methods : ['POST']).exists(m, m in (has(t.http.methods) ? t.http.methods : ['POST']))).size() == 1)",message="two triggers have the same path and method"
	Triggers []Trigger `json:"triggers"`
	// The user's code, and how to reach it.
	Handler Handler `json:"handler"`
	// Events in flight per replica. Default: 8; for protocol exec 4.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Concurrency int `json:"concurrency,omitempty"`
	// How long one attempt may take. Default: 30s.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms')",message="it is less than 1ms"
	Timeout Duration `json:"timeout,omitempty"`
	// What happens after a failed attempt.
	Retry Retry `json:"retry,omitempty"`
	// Order per key: an event begins when the one before it of the same key is settled.
	Ordering *Ordering `json:"ordering,omitempty"`
	// Many events in one call; concurrency is then how many calls run at once. Default: one event per call.
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

// InFlight is how many events one replica may have in its handler at one time.
func (s *Spec) InFlight() int {
	n := max(1, s.Concurrency)
	if s.Batch != nil {
		n *= max(1, s.Batch.MaxEvents)
	}
	return n
}

// Retry bounds what happens after an outcome that asks for another attempt. The two backoffs are always written: 0s is a
// choice of its own, not the default.
//
// +kubebuilder:validation:XValidation:rule="duration(has(self.minBackoff) ? self.minBackoff : '1s') <= duration(has(self.maxBackoff) ? self.maxBackoff : '10m')",message="minBackoff is more than maxBackoff (10m where it is not set)",fieldPath=".minBackoff"
type Retry struct {
	// Attempts in all, the first included. Default: 5.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxAttempts int `json:"maxAttempts,omitempty"`
	// The shortest wait; its upper bound doubles with each attempt. Default: 1s.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="it is negative"
	// +optional
	MinBackoff Duration `json:"minBackoff"`
	// The longest wait, at most 720h. Default: 10m.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="it is negative"
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('720h')",message="it is more than 720h"
	// +optional
	MaxBackoff Duration `json:"maxBackoff"`
	// No attempt for events that were stored longer ago than this. Default: 0s, no limit.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="it is negative"
	MaxAge Duration `json:"maxAge,omitempty"`
}

// Ordering asks for order per key.
type Ordering struct {
	// CEL over event and data that gives a string. Events for which it gives none are in order among each other.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:XValidation:rule=`bytes(self).size() <= 4096`,message="it has more than 4096 bytes"
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'[^\s\v\pZ\x{85}]')`,message="it is missing"
	Key string `json:"key"`
}

// Batch asks for many events in one call.
type Batch struct {
	// At most so many events in one call.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxEvents int `json:"maxEvents"`
	// How long the first event of a call waits for others, at most 5m. Default: 0s, a call is made with what is there.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="it is negative"
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('5m')",message="it is more than 5m"
	MaxWait Duration `json:"maxWait,omitempty"`
}

// Reply says where an event that the handler returns is published.
type Reply struct {
	// One exact subject.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule=`bytes(self).size() <= 255`,message="it has more than 255 bytes"
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^[\pL\pM\pN\pP\pS]+$') && !self.contains('\uFFFD')`,message="it has a space or a character that cannot be printed"
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^[^.*>]+(\.[^.*>]+)*$')`,message="want words joined by dots, without wildcards"
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'^(pelton|_INBOX[^.]*|_R_|_GR_)([.]|$)')`,message="it is reserved for Pelton or for NATS"
	// +kubebuilder:validation:XValidation:rule=`!self.startsWith('$') || self.matches(r'^\$(KV|O)([.]|$)')`,message="it is reserved for the NATS server"
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
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="it is negative"
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
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms')",message="it is less than 1ms"
	Drain Duration `json:"drain,omitempty"`
}

// Amount is a quantity as Kubernetes writes it.
//
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?|\.[0-9]+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$`
type Amount string

// Resources are requests and limits for the container on Kubernetes; one machine ignores them.
//
// +kubebuilder:object:generate=true
type Resources struct {
	// Amounts as text, such as "100m" or "64Mi".
	// +kubebuilder:validation:MaxProperties=100
	Requests map[string]Amount `json:"requests,omitempty"`
	// Amounts as text, such as "100m" or "64Mi".
	// +kubebuilder:validation:MaxProperties=100
	Limits map[string]Amount `json:"limits,omitempty"`
}

// Package decision is what a scaler tells of its answers to KEDA, as it goes over HTTP: what a scaler writes, the command line
// reads. It knows neither of the two.
package decision

import "time"

// The calls that decisions are made for.
const (
	IsActive       = "IsActive"
	Metrics        = "GetMetrics"
	MetricSpec     = "GetMetricSpec"
	ActivityPushed = "pushed activity"
	TargetPushed   = "pushed target"
	Refused        = "refused"
)

// Object is what a scaler last decided for one ScaledObject.
type Object struct {
	Namespace string     `json:"namespace"`
	Name      string     `json:"name"`
	Source    string     `json:"source"`  // what its trigger names
	Streams   int        `json:"streams"` // open from KEDA
	Asked     time.Time  `json:"asked"`   // the last call
	Decisions []Decision `json:"decisions"`
}

// Decision is one answer, and what it was made of. Equal answers in a row are one decision.
type Decision struct {
	At          time.Time `json:"at"`    // the first time
	Last        time.Time `json:"last"`  // the last time
	Count       int       `json:"count"` // how often in a row
	Call        string    `json:"call"`
	Due         int       `json:"due"`      // events that could be given now
	InFlight    int       `json:"inFlight"` // given and not settled
	Unattended  bool      `json:"unattended,omitempty"`
	ServiceTime float64   `json:"serviceSeconds,omitempty"` // measured per event
	Active      bool      `json:"active"`
	Value       float64   `json:"value"`            // of the metric
	Target      float64   `json:"target,omitempty"` // events per replica
	Wanted      int       `json:"wanted"`           // replicas, before the ScaledObject's bounds
	Error       string    `json:"error,omitempty"`
	Reason      string    `json:"reason"` // in words
}

// Same reports whether two decisions differ at most in their times and words.
func (d *Decision) Same(other *Decision) bool {
	a, b := *d, *other
	a.At, a.Last, a.Count, a.Reason = b.At, b.Last, b.Count, b.Reason
	return a == b
}

// FunctionSource is the Source of an Object whose trigger names a function, which is in the ScaledObject's namespace.
func FunctionSource(name string) string { return "function " + name }

// ConsumerSource is the Source of an Object whose trigger names a consumer.
func ConsumerSource(stream, consumer string) string {
	return "consumer " + consumer + " on stream " + stream
}

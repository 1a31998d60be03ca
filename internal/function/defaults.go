package function

import (
	"fmt"
	"time"
)

// The values that a manifest gets where it says nothing.
const (
	DefaultStream          = "EVENTS"
	DefaultConcurrency     = 8
	DefaultExecConcurrency = 4 // each event is a process of its own
	DefaultTimeout         = Duration(30 * time.Second)
	DefaultMaxAttempts     = 5
	DefaultMinBackoff      = Duration(time.Second)
	DefaultMaxBackoff      = Duration(10 * time.Minute)
	DefaultMaxReplicas     = 20
	DefaultCooldown        = Duration(30 * time.Second)
	DefaultTimeZone        = "UTC"
	DefaultMethod          = "POST"
	DefaultOnDelete        = OnDeleteKeep
)

// SetDefaults fills every field that is zero and has a default. Parse and Load have done so already, knowing which zeros
// were written on purpose: call it only on a Function made in Go.
func (f *Function) SetDefaults() { f.setDefaults(nothingWritten) }

// nothingWritten is for functions that come from no text: each zero counts as absent.
func nothingWritten(string) bool { return false }

// setDefaults leaves alone what was written, so that Validate sees a written "timeout: 0s" and can refuse it.
func (f *Function) setDefaults(written func(path string) bool) {
	s := &f.Spec
	fill(written, "metadata.namespace", &f.Metadata.Namespace, DefaultNamespace)
	fill(written, "spec.handler.protocol", &s.Handler.Protocol, ProtocolCloudEvents)
	if s.Handler.Protocol.overHTTP() {
		fill(written, "spec.handler.listen", &s.Handler.Listen, ListenTCP)
	}
	fill(written, "spec.concurrency", &s.Concurrency, defaultConcurrency(s.Handler.Protocol))
	fill(written, "spec.timeout", &s.Timeout, DefaultTimeout)
	fill(written, "spec.retry.maxAttempts", &s.Retry.MaxAttempts, DefaultMaxAttempts)
	fill(written, "spec.retry.minBackoff", &s.Retry.MinBackoff, DefaultMinBackoff)
	fill(written, "spec.retry.maxBackoff", &s.Retry.MaxBackoff, DefaultMaxBackoff)
	fill(written, "spec.scale.maxReplicas", &s.Scale.MaxReplicas, DefaultMaxReplicas)
	fill(written, "spec.scale.cooldown", &s.Scale.Cooldown, DefaultCooldown)
	fill(written, "spec.onDelete", &s.OnDelete, DefaultOnDelete)
	for i := range s.Triggers {
		s.Triggers[i].setDefaults(fmt.Sprintf("spec.triggers[%d]", i), written)
	}
}

func (t *Trigger) setDefaults(path string, written func(string) bool) {
	if t.Event != nil {
		fill(written, path+".event.stream", &t.Event.Stream, DefaultStream)
	}
	if t.Schedule != nil {
		fill(written, path+".schedule.timeZone", &t.Schedule.TimeZone, DefaultTimeZone)
	}
	if t.HTTP != nil {
		fill(written, path+".http.mode", &t.HTTP.Mode, ModeAsync)
		if len(t.HTTP.Methods) == 0 && !written(path+".http.methods") {
			t.HTTP.Methods = []string{DefaultMethod}
		}
	}
}

func fill[T comparable](written func(string) bool, path string, field *T, value T) {
	var zero T
	if *field == zero && !written(path) {
		*field = value
	}
}

func defaultConcurrency(p Protocol) int {
	if p == ProtocolExec {
		return DefaultExecConcurrency
	}
	return DefaultConcurrency
}

// overHTTP reports whether the handler is an HTTP server.
func (p Protocol) overHTTP() bool { return p == ProtocolCloudEvents || p == ProtocolHTTP }

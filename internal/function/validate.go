package function

import (
	"fmt"
	"strings"
	"time"
)

// checker collects the problems of one function.
type checker struct {
	written  func(path string) bool
	problems []Problem
}

func (c *checker) add(path, message, hint string) {
	c.problems = append(c.problems, Problem{Path: path, Message: message, Hint: hint})
}

// Validate returns everything that is wrong with f, once defaults are set. Its problems have paths but no places.
func (f *Function) Validate() []Problem { return f.validate(nothingWritten) }

// validate can tell a zero that was written from one that means nothing was said.
func (f *Function) validate(written func(path string) bool) []Problem {
	c := &checker{written: written}
	c.checkHead(f)
	c.checkLabels(f.Metadata)
	c.checkTriggers(f.Spec.Triggers)
	c.checkHandler(&f.Spec.Handler)
	c.checkDelivery(&f.Spec)
	c.checkRetry(&f.Spec.Retry)
	c.checkScale(&f.Spec.Scale)
	c.checkResources(f.Spec.Resources)
	return c.problems
}

// ValidName reports whether s can name a function: a DNS label short enough for Kubernetes to add to it.
func ValidName(s string) bool { return len(s) <= 50 && isLabel(s) }

// ValidNamespace reports whether s can name a namespace.
func ValidNamespace(s string) bool { return len(s) <= 63 && isLabel(s) }

func isLabel(s string) bool {
	plain := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
	for i := range len(s) {
		if !plain(s[i]) && (s[i] != '-' || i == 0 || i == len(s)-1) {
			return false
		}
	}
	return s != ""
}

func (c *checker) checkHead(f *Function) {
	if f.APIVersion != APIVersion {
		c.add("apiVersion", missingOr(f.APIVersion, "is not served"), "write "+APIVersion+", the only version served")
	}
	if f.Kind != Kind {
		c.add("kind", missingOr(f.Kind, "is not a kind of this program"), "write "+Kind+", the only kind served")
	}
	if name := f.Metadata.Name; !ValidName(name) {
		c.add("metadata.name", missingOr(name, "is not a function name"), "write at most 50 of a-z, 0-9 and -, such as resize-2")
	}
	if ns := f.Metadata.Namespace; !ValidNamespace(ns) {
		c.add("metadata.namespace", missingOr(ns, "is not a namespace"), "write at most 63 of a-z, 0-9 and -, such as shop")
	}
}

func missingOr(value, wrong string) string {
	if value == "" {
		return "it is missing"
	}
	return quote(value) + " " + wrong
}

// Bounds of the numbers in a manifest.
const (
	MaxConcurrency = 10000
	MaxAttempts    = 1000
	MaxReplicas    = 1000
	MinTimeout     = Duration(time.Millisecond)
	MaxBackoff     = Duration(30 * 24 * time.Hour) // as long as dead letters are kept
)

func (c *checker) checkDelivery(s *Spec) {
	c.number("spec.concurrency", s.Concurrency, 1, MaxConcurrency)
	if s.Timeout < MinTimeout {
		message := short(s.Timeout) + " is less than " + short(MinTimeout) + ", so no attempt could succeed"
		c.add("spec.timeout", message, "write how long one attempt may take, such as 30s")
	}
	c.checkOrdering(s)
	c.checkBatch(s)
	c.checkLargeBodies(s)
	if s.Reply != nil {
		if err := ValidPublishSubject(s.Reply.Subject); err != nil {
			c.add("spec.reply.subject", err.Error(), "write one exact subject, such as events.image.thumbnailed")
		}
	}
	switch s.OnDelete {
	case OnDeleteKeep, OnDeleteDeadLetter, OnDeleteDiscard:
	default:
		c.add("spec.onDelete", missingOr(string(s.OnDelete), "is not a thing to do"), "write keep, deadLetter or discard")
	}
}

// MaxKey is the longest expression of a key, in bytes.
const MaxKey = 4 << 10

func (c *checker) checkOrdering(s *Spec) {
	switch {
	case s.Ordering == nil:
		return
	case strings.TrimSpace(s.Ordering.Key) == "":
		c.add("spec.ordering.key", "it is missing", "write an expression that gives a string, such as event.subject")
	case len(s.Ordering.Key) > MaxKey:
		c.add("spec.ordering.key", fmt.Sprintf("it has %d bytes, more than %d", len(s.Ordering.Key), MaxKey),
			"write a shorter expression")
	}
	if s.Batch != nil {
		c.add("spec.ordering", "a function with a batch has no order per key", "keep one of ordering and batch")
	}
}

func (c *checker) checkRetry(r *Retry) {
	c.number("spec.retry.maxAttempts", r.MaxAttempts, 1, MaxAttempts)
	switch {
	case r.MinBackoff < 0:
		c.add("spec.retry.minBackoff", short(r.MinBackoff)+" is negative", "write 0s or more, such as 1s")
	case r.MaxBackoff > MaxBackoff:
		c.add("spec.retry.maxBackoff", short(r.MaxBackoff)+" is more than "+short(MaxBackoff), "write a shorter time, such as 10m")
	case r.MaxBackoff < 0:
		c.add("spec.retry.maxBackoff", short(r.MaxBackoff)+" is negative", "write at least minBackoff, such as 10m")
	case r.MinBackoff > r.MaxBackoff:
		c.add("spec.retry.minBackoff", short(r.MinBackoff)+" is more than maxBackoff "+short(r.MaxBackoff),
			"write at most "+short(r.MaxBackoff)+", or raise maxBackoff")
	}
	if r.MaxAge < 0 {
		c.add("spec.retry.maxAge", short(r.MaxAge)+" is negative", "write how old an event may be, such as 6h; 0s is no limit")
	}
}

func (c *checker) checkScale(s *Scale) {
	c.number("spec.scale.maxReplicas", s.MaxReplicas, 1, MaxReplicas)
	switch {
	case s.MinReplicas < 0 || s.MinReplicas > MaxReplicas:
		c.number("spec.scale.minReplicas", s.MinReplicas, 0, MaxReplicas)
	case s.MinReplicas > s.MaxReplicas && s.MaxReplicas > 0:
		c.add("spec.scale.minReplicas", fmt.Sprintf("%d is more than maxReplicas %d", s.MinReplicas, s.MaxReplicas),
			fmt.Sprintf("write a number from 0 to %d, or raise maxReplicas", s.MaxReplicas))
	}
	if s.Cooldown < 0 {
		c.add("spec.scale.cooldown", short(s.Cooldown)+" is negative", "write 0s or more, such as 30s")
	}
	c.checkTarget(s.Target)
}

func (c *checker) checkTarget(t Target) {
	backlog := t.Backlog != 0 || c.written("spec.scale.target.backlog")
	drain := t.Drain != 0 || c.written("spec.scale.target.drain")
	if backlog && drain {
		c.add("spec.scale.target", "backlog and drain are both set",
			"keep one: events per replica, or the time in which a backlog shall be gone")
	}
	if backlog {
		c.number("spec.scale.target.backlog", t.Backlog, 1, 1_000_000)
	}
	if drain && t.Drain < MinTimeout {
		c.add("spec.scale.target.drain", short(t.Drain)+" is less than "+short(MinTimeout), "write a time such as 10s")
	}
}

// number checks bounds, both included.
func (c *checker) number(path string, value, low, high int) {
	hint := fmt.Sprintf("write a number from %d to %d", low, high)
	switch {
	case value < low:
		c.add(path, fmt.Sprintf("%d is less than %d", value, low), hint)
	case value > high:
		c.add(path, fmt.Sprintf("%d is more than %d", value, high), hint)
	}
}

// short formats a duration without the zero units that Duration.String adds: 10m, not 10m0s.
func short(d Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

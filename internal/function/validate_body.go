package function

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxBodyPattern is what maxBody may be: from 1Mi to 4Gi.
const maxBodyPattern = `^(([1-9][0-9]{0,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-6])Mi|[1-4]Gi)$`

const maxBodyHint = "write a number of Mi or Gi, such as 100Mi"

// BodyLimit is how many bytes a body may have by maxBody; 0 if that says nothing.
func (h *HTTPTrigger) BodyLimit() int64 {
	for unit, bytes := range map[string]int64{"Mi": 1 << 20, "Gi": 1 << 30} {
		if digits, ok := strings.CutSuffix(h.MaxBody, unit); ok {
			n, _ := strconv.ParseInt(digits, 10, 64) // a manifest with anything else is refused
			return n * bytes
		}
	}
	return 0
}

// TakesLargeBodies reports whether the handler can be given a body that is never in memory as a whole.
func (s *Spec) TakesLargeBodies() bool {
	return s.Batch == nil && s.Ordering == nil && s.Handler.Protocol != ProtocolStream
}

func (c *checker) checkMaxBody(path string, h *HTTPTrigger) {
	if h.MaxBody == "" {
		return
	}
	if !regexp.MustCompile(maxBodyPattern).MatchString(h.MaxBody) {
		c.add(path+".maxBody", quote(h.MaxBody)+" is not a size between 1Mi and 4Gi", maxBodyHint)
	}
	if h.Webhook != nil {
		c.add(path+".maxBody", "a webhook is verified as a whole, in memory", "delete it: a webhook may have 1Mi")
	}
}

// checkLargeBodies finds what large bodies do not go together with.
func (c *checker) checkLargeBodies(s *Spec) {
	if s.TakesLargeBodies() || !slices.ContainsFunc(s.Triggers, func(t Trigger) bool { return t.HTTP != nil && t.HTTP.MaxBody != "" }) {
		return
	}
	const hint = "delete it, or the maxBody of the http trigger"
	if s.Batch != nil {
		c.add("spec.batch", "the events of a batch are in memory, and an http trigger has maxBody", hint)
	}
	if s.Ordering != nil {
		c.add("spec.ordering", "the events of an order are in memory, and an http trigger has maxBody", hint)
	}
	if s.Handler.Protocol == ProtocolStream {
		c.add("spec.handler.protocol", "protocol stream gives events as a whole, and an http trigger has maxBody",
			"write cloudevents, http or exec, or delete maxBody")
	}
}

package catalog

import (
	"time"

	"github.com/pelton-dev/pelton/internal/function"
)

// Claims lists what a trigger claims for its function: METHOD PATH.
func Claims(t *function.HTTPTrigger) (list []string) {
	for _, method := range t.Methods {
		list = append(list, method+" "+t.Path)
	}
	return list
}

// stamp notes when claims were first entered: what the last entry has says so, and what it lacks is new. One that was written before
// there were times has none, and that is earlier than all.
func (h *HTTP) stamp(last *HTTP, now time.Time) {
	if h == nil {
		return
	}
	old := map[string]bool{}
	h.Since = map[string]time.Time{}
	if last != nil {
		for i := range last.Triggers {
			for _, claim := range Claims(&last.Triggers[i]) {
				old[claim] = true
			}
		}
	}
	for i := range h.Triggers {
		for _, claim := range Claims(&h.Triggers[i]) {
			if !old[claim] {
				h.Since[claim] = now
			} else if since, ok := last.Since[claim]; ok {
				h.Since[claim] = since
			}
		}
	}
}

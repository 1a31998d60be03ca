package cli

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/kube"
)

// eventView is something that Kubernetes noted about an object.
type eventView struct {
	at              time.Time
	reason, message string
}

// eventsOf lists the warnings about an object, the newest first. They help; who may not read them has the conditions.
func eventsOf(ctx context.Context, c *kube.Cluster, o *unstructured.Unstructured) (events []eventView) {
	if o == nil {
		return nil
	}
	found, err := c.List(ctx, kube.Events(), o.GetNamespace(), kube.Selector{
		Fields: "type=Warning,involvedObject.uid=" + string(o.GetUID()),
	})
	if err != nil {
		return nil
	}
	for i := range found {
		events = append(events, readEvent(&found[i]))
	}
	slices.SortFunc(events, func(a, b eventView) int { return b.at.Compare(a.at) })
	return events[:min(len(events), maxEvents)]
}

// maxEvents is how many are shown of one object.
const maxEvents = 3

// readEvent takes the last time that is written anywhere: who writes events does not agree on where.
func readEvent(o *unstructured.Unstructured) eventView {
	e := eventView{at: o.GetCreationTimestamp().Time}
	e.reason, _, _ = unstructured.NestedString(o.Object, "reason")
	e.message, _, _ = unstructured.NestedString(o.Object, "message")
	for _, fields := range [][]string{{"lastTimestamp"}, {"eventTime"}, {"series", "lastObservedTime"}} {
		text, _, _ := unstructured.NestedString(o.Object, fields...)
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil && at.After(e.at) {
			e.at = at
		}
	}
	return e
}

package controller_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/controller/v1alpha1"
	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/stream"
)

// snapshot is everything that there is of the one Function of a rig, in the cluster and on NATS, without what is another each time:
// versions, times, and the names of the namespace and of the servers.
func (r *rig) snapshot(ctx context.Context) (map[string]any, error) {
	all := map[string]any{}
	for _, kind := range append(desired.Kinds(), v1alpha1.FunctionKind, secrets) {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := r.client.List(ctx, list, client.InNamespace(r.namespace)); err != nil {
			return nil, err
		}
		found := 0
		for i := range list.Items {
			if o := &list.Items[i]; kind == v1alpha1.FunctionKind || o.GetLabels()[desired.FunctionLabel] != "" {
				all[kind.Kind+" "+o.GetName()] = essence(o)
				found++
			}
		}
		all["number of "+kind.Kind] = found
	}
	if err := r.snapshotNATS(ctx, all); err != nil {
		return nil, err
	}
	text, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	same := strings.NewReplacer(r.namespace, "NAMESPACE", r.settings.NATSURL, "NATS", r.settings.ScalerAddress, "SCALER").Replace(string(text))
	same = regexp.MustCompile(`\b`+portOf(r.settings.NATSURL)+`\b`).ReplaceAllString(same, "4222") // of the NetworkPolicy
	// The name of a ConfigMap is made of what is in it, the namespace too.
	same = regexp.MustCompile(`(\bhello-pfn-|manifest-hash":")[0-9a-f]{10}\b`).ReplaceAllString(same, "${1}HASH")
	// When the last event was stored that an earlier manifest asked for.
	same = regexp.MustCompile(`(\\"time\\":\\")[^\\]+`).ReplaceAllString(same, "${1}TIME")
	var named map[string]any
	return named, json.Unmarshal([]byte(same), &named)
}

func portOf(address string) string { return address[strings.LastIndex(address, ":")+1:] }

// essence is what somebody has decided about an object. Whether there is work changes by itself.
func essence(o *unstructured.Unstructured) map[string]any {
	annotations := o.GetAnnotations()
	for _, name := range []string{
		"pelton.dev/applied-hash", desired.ExpiresAnnotation, "kubectl.kubernetes.io/last-applied-configuration",
	} {
		delete(annotations, name)
	}
	e := map[string]any{
		"labels": o.GetLabels(), "annotations": annotations, "finalizers": o.GetFinalizers(), "leaving": o.GetDeletionTimestamp() != nil,
		"spec": o.Object["spec"], "writers": writers(o), "keys": keys(o.Object["data"]),
	}
	if o.GetKind() == desired.ConfigMapKind.Kind {
		e["data"] = o.Object["data"]
	}
	for _, owner := range o.GetOwnerReferences() {
		e["owner"] = owner.Kind + " " + owner.Name
	}
	if o.GetKind() == v1alpha1.FunctionKind.Kind {
		conditions := map[string]any{}
		list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		for _, item := range list {
			if c, _ := item.(map[string]any); c["type"] != v1alpha1.Active {
				conditions[fmt.Sprint(c["type"])] = fmt.Sprint(c["status"], c["reason"], c["message"], c["observedGeneration"])
			}
		}
		e["conditions"] = conditions
	}
	return e
}

// writers are the names under which we own fields of an object.
func writers(o *unstructured.Unstructured) (names []string) {
	for _, m := range o.GetManagedFields() {
		if strings.HasPrefix(m.Manager, "pelton-") {
			names = append(names, strings.TrimSuffix(m.Manager+" "+string(m.Operation)+" "+m.Subresource, " "))
		}
	}
	slices.Sort(names)
	return names
}

func keys(data any) (names []string) {
	fields, _ := data.(map[string]any)
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// snapshotNATS adds streams with how much they hold, consumers, schedules and the catalog.
func (r *rig) snapshotNATS(ctx context.Context, all map[string]any) error {
	streams := r.js.ListStreams(ctx)
	for info := range streams.Info() {
		name := info.Config.Name
		entry := map[string]any{"config": info.Config}
		if name != stream.EventsStream && name != catalog.StreamName {
			entry["messages"] = info.State.Msgs
		}
		all["stream "+name] = entry
		s, err := r.js.Stream(ctx, name)
		if err != nil {
			return err
		}
		consumers := s.ListConsumers(ctx)
		for c := range consumers.Info() {
			if c.Config.Durable != "" {
				all["consumer "+name+" "+c.Name] = map[string]any{"config": c.Config, "waiting": int(c.NumPending) + c.NumAckPending}
			}
		}
		if err := consumers.Err(); err != nil {
			return err
		}
		if err := addLast(ctx, s, name, all); err != nil {
			return err
		}
	}
	return streams.Err()
}

// addLast adds the entries of the catalog, and the schedules.
func addLast(ctx context.Context, s jetstream.Stream, name string, all map[string]any) error {
	filter := map[string]string{catalog.StreamName: ">", stream.WorkStream: "pelton.park.>"}[name]
	if filter == "" {
		return nil
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return err
	}
	for subject := range info.State.Subjects {
		m, err := s.GetLastMsgForSubject(ctx, subject)
		if err != nil {
			return err
		}
		all["message "+subject] = map[string]any{"data": string(m.Data), "schedule": m.Header.Get("Nats-Schedule")}
	}
	return nil
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/pelton-dev/pelton/internal/decision"
	"github.com/pelton-dev/pelton/internal/kube"
)

// usualScalerPort is where pelton-scaler answers over HTTP, unless its pod names a port "health".
const usualScalerPort = 8081

// scalerTimeout is how long it may take to ask the scaler: a port that cannot be forwarded must not cost all other answers.
const scalerTimeout = 6 * time.Second

// askScalerOf adds what the scaler tells that the ScaledObject names. That it cannot be asked is a note: everything else was
// read in the cluster.
func (w *whyScaled) askScalerOf(ctx context.Context, c *kube.Cluster, scaledObject *unstructured.Unstructured, address string) {
	if address != "" {
		if base, err := scalerURL(address); err != nil {
			w.diag.add(check{Name: "scaler", State: checkNote, Detail: err.Error()})
		} else if err := w.askScaler(ctx, base); err != nil {
			w.diag.Checks[len(w.diag.Checks)-1].State = checkNote
		}
		return
	}
	if scaledObject == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, scalerTimeout)
	defer cancel()
	host, err := scalerHost(scaledObject)
	var pods []corev1.Pod
	if err == nil {
		pods, err = scalerPods(ctx, c, host)
	}
	if err != nil {
		w.diag.add(check{Name: "scaler", State: checkNote, Detail: "it cannot be asked: " + reasonOf(c, err), Try: "--scaler URL; " + portForward})
		return
	}
	w.askPods(ctx, c, host, pods)
}

func reasonOf(c *kube.Cluster, err error) string {
	if e, ok := errors.AsType[*Error](explainCluster(c, "ask the scaler", err)); ok {
		return e.Error()
	}
	return err.Error()
}

// scalerHost is the scaler's host, as KEDA has it.
func scalerHost(scaledObject *unstructured.Unstructured) (string, error) {
	triggers, _, _ := unstructured.NestedSlice(scaledObject.Object, "spec", "triggers")
	for _, t := range triggers {
		fields, _ := t.(map[string]any)
		address, _, _ := unstructured.NestedString(fields, "metadata", "scalerAddress")
		if host, _, err := net.SplitHostPort(address); err == nil {
			return host, nil
		}
	}
	return "", errors.New("the ScaledObject names no scalerAddress")
}

// scalerPods are those behind the Service of the scaler.
func scalerPods(ctx context.Context, c *kube.Cluster, host string) (pods []corev1.Pod, err error) {
	parts := strings.Split(host, ".")
	if len(parts) < 2 || net.ParseIP(host) != nil || len(parts) > 2 && parts[2] != "svc" {
		return nil, fmt.Errorf("KEDA reaches it at %s, which is no Service of the cluster", host)
	}
	service, err := c.Get(ctx, kube.Services(), parts[1], parts[0])
	if err != nil {
		return nil, err
	}
	selector, _, _ := unstructured.NestedStringMap(service.Object, "spec", "selector")
	if len(selector) == 0 {
		return nil, fmt.Errorf("the Service of %s selects no pods", host)
	}
	found, err := c.List(ctx, kube.Pods(), parts[1], kube.Selector{
		Labels: labels.SelectorFromSet(selector).String(), Fields: "status.phase=Running",
	})
	if err != nil {
		return nil, err
	}
	for i := range found {
		var pod corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(found[i].Object, &pod); err == nil {
			pods = append(pods, pod)
		}
	}
	if len(pods) == 0 {
		return nil, fmt.Errorf("no pod of %s runs", host)
	}
	return pods, nil
}

// healthPort is where a pod answers over HTTP.
func healthPort(pod *corev1.Pod) int {
	for _, container := range pod.Spec.Containers {
		for _, port := range container.Ports {
			if port.Name == "health" {
				return int(port.ContainerPort)
			}
		}
	}
	return usualScalerPort
}

// askPods asks every replica of the scaler, as each knows only what it was asked itself.
func (w *whyScaled) askPods(ctx context.Context, c *kube.Cluster, host string, pods []corev1.Pod) {
	var objects []decision.Object
	var errs []error
	most := 0
	for i := range pods {
		found, all, err := w.askPod(ctx, c, &pods[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s", pods[i].Name, reasonOf(c, err)))
			continue
		}
		objects, most = append(objects, found...), max(most, all)
	}
	line := check{Name: "scaler", State: checkOK, Detail: fmt.Sprintf("%s has %s and knows %s", host, plural(len(pods), "pod"),
		plural(most, "ScaledObject"))}
	if len(errs) > 0 {
		line.State, line.Detail = checkNote, "not all of it could be asked: "+errors.Join(errs...).Error()
	}
	w.diag.add(line)
	if len(errs) == len(pods) {
		return
	}
	w.diag.ScaledObjects = withoutCorrected(mergeObjects(objects))
	for i := range w.diag.ScaledObjects {
		w.object(&w.diag.ScaledObjects[i])
	}
	if len(objects) == 0 {
		w.diag.add(check{
			Name: "ScaledObject", State: checkNote, Detail: "KEDA has not asked for it lately",
			Try: fmt.Sprintf("kubectl describe scaledobject -n %s", w.key.Namespace),
		})
	}
}

// askPod asks one replica over a forwarded port: on its own loopback it tells everything.
func (w *whyScaled) askPod(ctx context.Context, c *kube.Cluster, pod *corev1.Pod) ([]decision.Object, int, error) {
	client, base, end := forwarded(ctx, c, pod)
	defer end()
	asking := *w
	asking.client = client
	return asking.fetch(ctx, base)
}

// forwarded returns a client for the port on which a pod answers over HTTP, and the address to ask it at.
func forwarded(ctx context.Context, c *kube.Cluster, pod *corev1.Pod) (client *http.Client, base string, end func()) {
	port := healthPort(pod)
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return c.Dial(ctx, pod.Namespace, pod.Name, port)
	}}
	return &http.Client{Transport: transport}, "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), transport.CloseIdleConnections
}

// mergeObjects makes one of what several replicas tell of one ScaledObject.
func mergeObjects(objects []decision.Object) (merged []decision.Object) {
	for _, o := range objects {
		i := slices.IndexFunc(merged, func(m decision.Object) bool {
			return m.Namespace == o.Namespace && m.Name == o.Name && m.Source == o.Source
		})
		if i < 0 {
			merged = append(merged, o)
			continue
		}
		m := &merged[i]
		m.Streams += o.Streams
		if o.Asked.After(m.Asked) {
			m.Asked = o.Asked
		}
		m.Decisions = append(m.Decisions, o.Decisions...)
	}
	return merged
}

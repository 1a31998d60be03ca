package desired

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pelton-dev/pelton/internal/function"
)

// Memory of a sidecar: what it needs at rest, and for each call an event of the largest size that NATS takes by default. A limit
// costs nothing; reaching it would interrupt all calls.
const (
	mebibyte       = 1 << 20
	sidecarMemory  = 32 * mebibyte
	minMemoryLimit = 128 * mebibyte
	memoryPerCall  = mebibyte
)

// resources are what the function's container shall have.
type resources struct{ asked corev1.ResourceRequirements }

// ofSidecar returns what a sidecar has that works on so many events at once, unless settings say otherwise.
func (resources) ofSidecar(set *corev1.ResourceRequirements, concurrency int) corev1.ResourceRequirements {
	if set != nil {
		return *set.DeepCopy()
	}
	limit := max(minMemoryLimit, 2*sidecarMemory+int64(concurrency)*memoryPerCall)
	return corev1.ResourceRequirements{Requests: sidecarRequests(), Limits: corev1.ResourceList{
		corev1.ResourceMemory: *resource.NewQuantity(limit, resource.BinarySI),
	}}
}

// ofExec returns what a container has in which sidecar and handlers share: no limit but those of the manifest.
func (r resources) ofExec() corev1.ResourceRequirements {
	if len(r.asked.Requests)+len(r.asked.Limits) > 0 {
		return r.asked
	}
	return corev1.ResourceRequirements{Requests: sidecarRequests()}
}

func sidecarRequests() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(10, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(sidecarMemory, resource.BinarySI),
	}
}

// readResources returns what a manifest asks for. What Kubernetes would refuse is a problem.
func readResources(r *function.Resources) (resources, []function.Problem) {
	if r == nil {
		return resources{}, nil
	}
	requests, problems := readAmounts("spec.resources.requests", r.Requests)
	limits, more := readAmounts("spec.resources.limits", r.Limits)
	problems = append(problems, more...)
	for _, name := range slices.Sorted(maps.Keys(r.Requests)) {
		request, limit := requests[corev1.ResourceName(name)], limits[corev1.ResourceName(name)]
		if _, limited := limits[corev1.ResourceName(name)]; limited && request.Cmp(limit) > 0 {
			problems = append(problems, function.Problem{
				Path:    "spec.resources.requests." + name,
				Message: fmt.Sprintf("%s is more than its limit %s", request.String(), limit.String()),
				Hint:    "request at most the limit",
			})
		}
	}
	return resources{corev1.ResourceRequirements{Requests: requests, Limits: limits}}, problems
}

func readAmounts(path string, amounts map[string]function.Amount) (list corev1.ResourceList, problems []function.Problem) {
	for _, name := range slices.Sorted(maps.Keys(amounts)) {
		amount, err := resource.ParseQuantity(string(amounts[name]))
		switch {
		case !isResource(name):
			problems = append(problems, function.Problem{
				Path: path + "." + name, Message: fmt.Sprintf("%q is not a resource of Kubernetes", name),
				Hint: "write cpu, memory, ephemeral-storage or a name with a domain, such as example.com/gpu",
			})
		case err != nil:
			problems = append(problems, function.Problem{
				Path: path + "." + name, Message: fmt.Sprintf("%q is not an amount", amounts[name]),
				Hint: `write one such as "100m" or "64Mi"`,
			})
		default:
			if list == nil {
				list = corev1.ResourceList{}
			}
			list[corev1.ResourceName(name)] = amount
		}
	}
	return list, problems
}

func isResource(name string) bool {
	switch corev1.ResourceName(name) {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return true
	}
	return strings.HasPrefix(name, corev1.ResourceHugePagesPrefix) || strings.Contains(name, "/")
}

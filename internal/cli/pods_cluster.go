package cli

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// podView is one replica in a cluster.
type podView struct {
	Name     string    `json:"name"`
	State    string    `json:"state"` // Pending, Running and so on, or Stopping
	Ready    bool      `json:"ready"`
	Restarts int       `json:"restarts"`
	Created  time.Time `json:"created"`
	Node     string    `json:"node,omitempty"`
	Problem  string    `json:"problem,omitempty"` // why it is not ready, in words
	Lines    []string  `json:"lines,omitempty"`   // what its container said last
	Started  bool      `json:"-"`                 // a container runs or has run, and so there are logs
}

// podStopping is the state of a pod that is on its way out.
const podStopping = "Stopping"

func (p *podView) text(now time.Time) string {
	words := []string{p.Name, p.State}
	if p.Ready {
		words = append(words, "and ready")
	}
	text := fmt.Sprintf("%s, %s old", strings.Join(words, " "), short(now.Sub(p.Created)))
	if p.Restarts > 0 {
		text += ", " + plural(p.Restarts, "restart")
	}
	if p.Problem != "" {
		text += ": " + p.Problem
	}
	return oneLine(text, 300)
}

// viewOfPod reads a pod. What cannot be read of it counts as silence.
func viewOfPod(o *unstructured.Unstructured) podView {
	var pod corev1.Pod
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &pod); err != nil {
		return podView{Name: o.GetName(), State: "Unknown", Problem: "it cannot be read: " + err.Error()}
	}
	v := podView{Name: pod.Name, State: string(pod.Status.Phase), Created: pod.CreationTimestamp.Time, Node: pod.Spec.NodeName}
	for _, c := range pod.Status.Conditions {
		v.Ready = v.Ready || c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	}
	for _, c := range pod.Status.ContainerStatuses {
		v.Restarts += int(c.RestartCount)
		v.Started = v.Started || c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil
	}
	if pod.DeletionTimestamp != nil {
		v.State, v.Ready = podStopping, false
		return v
	}
	if !v.Ready {
		v.Problem, v.Lines = podProblem(&pod)
	}
	return v
}

// podProblem says why a pod is not ready, and what the container said that is to blame. A pod that is starting has no problem.
func podProblem(pod *corev1.Pod) (problem string, lines []string) {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return "no node takes it: " + c.Message, nil
		}
	}
	if pod.Status.Phase == corev1.PodFailed {
		return strings.TrimSpace("it has failed: " + pod.Status.Reason + " " + pod.Status.Message), nil
	}
	for i := range pod.Status.ContainerStatuses {
		if problem, lines = containerProblem(&pod.Status.ContainerStatuses[i]); problem != "" {
			return problem, lines
		}
	}
	return "", nil
}

// containerProblem says why a container does not run, or why it ended last.
func containerProblem(c *corev1.ContainerStatus) (problem string, lines []string) {
	ended := c.LastTerminationState.Terminated
	if c.State.Terminated != nil {
		ended = c.State.Terminated
	}
	if ended != nil {
		lines = lastWords(ended.Message)
	}
	switch w := c.State.Waiting; {
	case w != nil && isPullReason(w.Reason):
		return fmt.Sprintf("image %s of container %s cannot be pulled: %s", c.Image, c.Name, orWord(w.Message, w.Reason)), nil
	case w != nil && w.Reason == "CrashLoopBackOff" && ended != nil:
		return fmt.Sprintf("container %s ends again and again, last with %s", c.Name, exitText(ended)), lines
	case w != nil && w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing":
		return fmt.Sprintf("container %s does not start: %s", c.Name, orWord(w.Message, w.Reason)), lines
	case ended != nil && (c.State.Terminated != nil || !c.Ready):
		return fmt.Sprintf("container %s has ended with %s", c.Name, exitText(ended)), lines
	}
	return "", nil
}

func isPullReason(reason string) bool {
	switch reason {
	case "ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable":
		return true
	}
	return false
}

func orWord(message, reason string) string {
	if message == "" {
		return reason
	}
	return message
}

func exitText(t *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf("exit code %d", t.ExitCode)
	if t.Reason != "" && t.Reason != "Error" && t.Reason != "Completed" {
		text += " (" + t.Reason + ")"
	}
	return text
}

// lastWords are the last lines of what a container said, which the kubelet keeps when it ends badly.
func lastWords(message string) []string {
	const most = 5
	lines := strings.Split(strings.TrimSpace(message), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	return lines[max(0, len(lines)-most):]
}

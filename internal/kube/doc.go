// Package kube is a Kubernetes cluster as the command line uses it: it reads a kubeconfig, reads and writes objects as plain
// fields, streams the logs of pods and reaches their ports.
//
// It links the dynamic client alone. The typed clients know every kind of Kubernetes, which would more than double the program.
// It must not know what the objects mean, nor the terminal. What a call has opened ends with its context or when it is closed; only
// a kubelet that does not answer is waited for, in the background, half a minute longer.
package kube

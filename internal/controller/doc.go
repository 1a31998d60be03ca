// Package controller is the Kubernetes host: it makes and keeps what a Function needs, on NATS and in the cluster.
//
// Package desired says what that is in the cluster. The Controller reads Functions, provisions NATS, applies what is desired
// where it is not there yet, and says in the status of the Function how it stands. It works level-based: each reconciliation
// reads all there is, and one of a Function that is as it should be writes nothing, neither to the apiserver nor to NATS.
//
// It is the only package that imports a controller framework. Run ends on its context and leaves everything as it is: events flow on
// without a controller.
package controller

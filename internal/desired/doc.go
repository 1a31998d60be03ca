// Package desired says what a Function needs in a Kubernetes cluster: every object, complete and ready to be applied.
//
// It is arithmetic over a manifest and the settings of an installation. It knows no cluster, talks to nobody and links nothing
// but the types of Kubernetes: the controller applies what it returns, and `pelton render` prints it.
package desired

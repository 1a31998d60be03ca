// Package natsauth owns who may do what on NATS: the permissions of each of our programs, credentials that carry them, and the
// keys of a server in operator mode that believes those credentials.
//
// An Issuer makes the credentials of a function out of nothing but its own key, the function and the time: whoever asks twice
// gets the same bytes, so nobody has to remember or read what was issued. The package opens no connection, knows nothing of
// Kubernetes, and runs nothing.
package natsauth

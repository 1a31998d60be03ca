// Package process owns one child process: started in its own process group, stopped and killed as a group, its exit turned
// into data.
//
// It knows nothing of functions, events or restarts. A Process is over when Done is closed; by then its whole group is gone.
package process

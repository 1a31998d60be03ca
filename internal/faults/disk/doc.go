// Package disk proves what Pelton promises of a disk that loses, fills or lies: it runs a real `pelton up` on a file system
// of its own, takes the power, the space or single bits away, and then compares what was acknowledged with what became of
// it.
//
// It owns file systems (an ext4 image on a loop device, a small tmpfs), mounted where no other process sees them,
// publishers that remember what was acknowledged, a handler that notes what it did outside of that file system, and the
// comparison. It knows nothing of how events are stored, except for the faults that are made in files.
//
// It needs Linux and root. Every function returns with everything stopped and unmounted; if the program is killed, its
// mounts go with its processes.
package disk

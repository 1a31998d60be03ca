// Package lab runs a real Kubernetes and KEDA on this machine, for tests: etcd, the control plane, a kubelet with containerd,
// and KEDA next to them. Everything is built from Go modules that internal/lab/modules pins, or is a Debian package; nothing
// is pulled from a registry.
//
// A lab owns one directory, one bridge, the cgroup kubepods, lines with a mark of its own in /etc/hosts, and a fixed set of
// ports. It touches no other cluster and no kubeconfig of yours: it ends only processes it started, which it finds by pid,
// start time and boot. It must know nothing of what is tested in it.
//
//	             Up                        Up again
//	nothing ──────────────▶ running ───────────────────▶ running: what is dead is started again
//	   ▲  ▲                    │  │
//	   │  └────── Down ────────┘  └─ a reboot, a lost bridge ─▶ Up clears away and begins anew
//	   └───────── Down ──── after a failed Up, too
//
// What Up starts outlives the process that called it, until Down. The state of the cluster ends with Down; programs that were
// built, and the logs of the last two clusters, stay.
package lab

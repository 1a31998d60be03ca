// Package faults proves what Pelton promises of delivery: it runs the real programs, kills and stops them while events come
// in, and then compares what was sent with what became of it.
//
// It owns a world of processes (a NATS server, a publisher, two replicas of one function: sidecar and handler), the nemesis
// that hurts them by a plan made from a seed, the ledgers that publisher and handlers write, and the checker that judges
// ledgers and streams. The checker must know nothing of how a sidecar works: it knows only the promises.
//
// Run ends with a Verdict. It stops everything it started, also when its context ends; if the program is killed, its
// processes die with it.
package faults

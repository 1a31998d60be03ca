// Package supervisor is the one-machine host: it keeps the wanted number of replicas of every function, each a handler
// process with a sidecar. It asks wake who has work and demand how many replicas that is worth; it delivers nothing itself,
// and knows neither the terminal nor the command line.
//
// Each function has one loop over (desired, actual). It sleeps until something happens: work (wake), the end of a process, a
// new manifest, a changed file, or a timer that runs only while there are replicas to take away or a start to wait for. A
// function at zero costs one sleeping goroutine.
//
// A function:
//
//	            consumers made, build done                work, or minReplicas
//	[setting up] -----------------------> [idle, zero] <---------------------> [active, 1..max]
//	     ^                                     |          nothing for cooldown        |
//	     | changed manifest or file            |                                      | replica ends by itself
//	     +-------------------------------------+--------------------------------------+---------> [backing off]
//
// What was last set up well keeps serving while a change is set up, and for good if the change cannot be.
//
// Consumers that somebody deletes, alone or with their stream, are made again, and begin where all were seen last. What
// serves goes on serving meanwhile.
//
// A replica:
//
//	[starting] --- handler accepts calls ---> [ready] --- fewer wanted, newer one is ready, or shutdown ---> [draining]
//	     |                                       |                                                                |
//	     | exits, or start timeout               | process exits: its calls fail as crashes                       |
//	     +---------------------------------------+----------------------> [over] <--- calls done, process stopped +
//
// A replica whose process ends is over: its sidecar settles what it holds and a new replica takes its place. The sidecar
// pulls nothing before the handler accepts calls, so a handler that never gets ready costs no event an attempt. A handler
// that lives but stops listening for long is replaced too, and drains.
//
// Delivery guarantee: the supervisor adds nothing to and takes nothing from the sidecar's. It stops a process only after its
// sidecar has settled or handed back everything, or when the shutdown's time is over; then the calls are cut and handed
// back.
//
// Run ends on its context: all replicas drain side by side, at most for DrainTimeout, then calls are cut, records that
// cannot be written are given up, every process is stopped, and every goroutine awaited. No process, socket or watch is
// left.
package supervisor

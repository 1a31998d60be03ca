// Package order owns order per key: of the events of one key, the next begins only when the one before it is settled, however
// many replicas a function has and whatever happens to them.
//
// One replica leads: it alone takes events from the function's consumers, in their order, keeps a queue for each key, and
// grants the first event of each queue to a replica that has room. All replicas work, the leader as well. Nothing is stored
// twice, and the consumers are the same as without order.
//
//	consumers --> feed --> board --grant--> worker --> handler
//	                         ^                 |
//	              acks <-----+-----report------+   settled, to be tried again, or handed back
//
// Who leads is written in one message for each function, by compare-and-set (lease). Its writer's term has a number that
// only grows, the epoch. The message also holds who may be at work, and the attempts of events that have failed, so they outlive their leader; an
// event that succeeds at once costs no write.
//
// Nothing here trusts a clock of another machine. Times are measured by the monotonic clock of who acts on them:
//
//   - A leader grants for LeaseTime after it began to write its lease, and others wait takeover after they first saw what it
//     wrote.
//   - A worker begins a granted call within GrantTime after it sent the beat that the grant names. What was frozen on its way,
//     here or there, is not begun.
//   - A worker that has not been heard of for deathAfter is taken for dead, and its events are granted again. One that cannot
//     be heard cuts its calls after cutAfter, which is sooner.
//   - Who may have grants is written down before the first one. A new leader grants nothing before all of them have told it what
//     they have, or deathAfter is over.
//
// Nor is the server's memory trusted: one that dies may forget acknowledgements that it has confirmed. So after each connection
// all is called back first, then acknowledged again in order what had been settled (acks.go), and only then something is granted.
// A new leader does not know what had been settled; what others were granted by the last one tells it (proof.go).
//
// What is left is a worker that is stopped as a whole after the check and before its handler has the call, or whose handler
// goes on while its sidecar stands still. The handler is told the epoch, so that what it writes to can refuse an older one.
//
// The package knows no handler and records nothing: who runs a call says what became of it. A Replica runs until its context
// ends, and returns when its calls have been reported.
package order

import "time"

// The times of the protocol. A change of one has to keep the others apart: see the package comment.
const (
	LeaseTime  = 4 * time.Second        // how long a leader grants after it began to write its lease
	GrantTime  = 2 * time.Second        // how long after the beat that it names a grant may begin
	beatEvery  = 700 * time.Millisecond // between two beats
	renewEvery = time.Second            // between two writes of the lease
	takeover   = LeaseTime + GrantTime + 2*time.Second
	deathAfter = 8 * time.Second
	cutAfter   = 6 * time.Second
)

// Window is how many events of all keys a leader holds at a time, those at work included. Events behind it wait in their
// streams: while as many events of blocked keys wait, the others wait as well.
const Window = 1000

// windowBytes bounds what a leader holds in bytes. One event may be larger.
const windowBytes = 4 << 20

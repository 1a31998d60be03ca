// Package sidecar owns the delivery loop of ONE function replica: pull, invoke, settle.
//
// It knows no process and no scaling: whoever starts it hands it an invoke.Invoker and a connection. It pulls only what it
// has room for, and acknowledges a message only after its outcome is safely recorded:
//
//	            credit                 slot free                answer
//	consumer ----------> [ inbox ] ---------------> [ slot ] --------------> settle --> ack
//	   ^                     |                         |                        |
//	   |   every slot busy   |      not ready, drain   |   record not written   |
//	   +------- nak ---------+--------- nak -----------+     (keep trying)      +-- reply, park, or dead letter first
//
// Guarantee: every message that was delivered to a sidecar is settled by the table in settle.go, handed back with a nak, or
// redelivered by the server after AckWait. A message is never acknowledged before its reply, its parked retry or its dead
// letter is stored. After a kill, at most what was in flight is delivered again.
//
// Bounds: at most Concurrency calls, at most as many again waiting for each source (a function has one consumer on
// each stream that its event triggers name and one on its own queue), and those that wait longer than a second behind busy slots go back to the queue.
//
// Run stops on its context: it stops asking, lets what runs finish for DrainTimeout, cuts what is left, hands everything
// unfinished back, and returns with no goroutine left.
package sidecar

// Package bridge owns the way of an event from HTTP into a stream: it reads CloudEvents and raw bodies, stores them, and
// answers 202 only after the stream has acknowledged them.
//
// It promises: an event answered with 202 is stored; an event answered with 4xx is not; after a 503 it may be, and a retry
// with the same id is stored once. Events of one batch request are stored together or not at all. It knows nothing of
// functions, consumers or handlers beyond the path and the queue of an HTTP trigger.
//
// Server.Run ends on its context: it stops accepting, gives running requests DrainTimeout, then ends the committers. The
// connection to NATS is the caller's. It must be made with nats.ReconnectBufSize(-1): with the client's default, an event
// published while the server is away is answered with an error and stored all the same when the server comes back.
package bridge

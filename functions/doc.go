// Package functions is the Go SDK of Pelton: it turns a Go function into a handler.
//
//	func main() {
//		if err := functions.Serve(thumbnail); err != nil {
//			log.Fatal(err)
//		}
//	}
//
//	func thumbnail(ctx context.Context, e event.Event) (*event.Event, error) {
//		...
//	}
//
// # Outcomes
//
// Returning no error means that the event is handled. A returned event is the reply; it is published where the function's
// manifest says. An error means that the event is tried again after the manifest's back-off; Retry chooses the delay, and
// Reject says that trying again is useless. A panic is an error too: its stack goes to standard error and the process goes
// on. An event may come more than once, after a crash for example: FromContext tells, and handlers should be idempotent.
//
// # Batches
//
// Where the manifest has `batch`, events come many at a time. ServeBatch is for functions that gain by that, such as those that
// write to a database; each event still has a Result of its own. Serve calls its Func for all events of a batch at once.
//
// # How it is run
//
// `pelton up` starts the program and tells it by its environment how to serve. With PELTON_SOCKET it speaks the framed
// protocol of proto/pelton/handler/v1 (in the manifest: `protocol: stream`), which is by far the fastest. Otherwise it
// serves CloudEvents over HTTP on the port PORT of 127.0.0.1 (`protocol: cloudevents`, or any other system that posts
// CloudEvents); PELTON_HOST names another address to listen on. PELTON_PROTOCOL=cloudevents together with PELTON_SOCKET
// serves HTTP on that unix socket.
//
// Events are handled at once, each in its own goroutine; `concurrency` in the manifest bounds how many there are.
//
// # What the CloudEvents SDK changes
//
// Events are given and taken as event.Event of the CloudEvents Go SDK. All attributes and the data reach the function as
// they were published, with these exceptions: a time becomes a time.Time, so that a returned copy of it may have fewer
// trailing zeros or "Z" for "+00:00", and a leap second is left out; extension values are always strings; source and
// dataschema give back the exact text, but a URI that Go's net/url would rewrite is kept unparsed (URL.Opaque).
package functions

// Package invoketest is the conformance suite of handler protocols: what every invoke.Invoker promises, tested once.
//
// A protocol's test calls Main from TestMain and Run from a test. Handlers are real processes: the test binary starts
// itself again, and Main then serves as the handler with the behaviour that the type of each event asks for. The
// behaviours live here (Play); a protocol only gives a Wire, which says how its answers look as bytes.
//
// It knows no protocol. Everything it starts is ended by the cleanups of the test that started it. Because it counts
// goroutines, descriptors and child processes, tests that call Run must not be parallel.
package invoketest

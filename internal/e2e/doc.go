// Package e2e breaks the real programs and looks at what is left: the built pelton binary, real processes, real signals.
//
// What happened is asked of two witnesses that Pelton cannot talk into anything: the server's own view (streams, consumers,
// acknowledgements) and a ledger that the handlers write, one write for each record. It holds tests and their helpers only.
package e2e

// Package access decides who asks over HTTP, what he may, and how much of it: callers by the tokens of a file or of OpenID
// Connect issuers, rules by path and subject, a rate and a quota for each caller.
//
// Both files are read again and again while Run runs. One that cannot be used changes nothing, and is told of in the log and
// in a metric. Of a token no more than a keyed hash is kept; no token and no part of one is logged or told. The package knows
// nothing of events beyond their subjects, and answers nobody: it returns why, in words for the caller. Run ends on its
// context.
package access

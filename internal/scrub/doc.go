// Package scrub looks for damage in the store of a NATS server before the server opens it: bits that have changed, files that
// have been cut off or are missing. The server keeps a checksum of each record, and says nothing when one is wrong: it passes
// over the record, or, where it has to read a whole file again, over everything behind it.
//
// It owns reading the server's files as version 2.15 writes them, the comparison with what its index says must be there, and
// mending: a damaged record is replaced by a mark that it is gone, so that the server delivers everything else. The original
// file is kept aside. It must not run while a server has the store open. It knows nothing of events or functions.
//
// What it cannot see: changed bits in a consumer's state, which has no checksum, and the end of a stream that was cut off when
// the index is gone, too. Streams that are encrypted or compressed are not looked at; Pelton makes none.
package scrub

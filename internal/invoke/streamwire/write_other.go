//go:build !unix

package streamwire

// writeNow writes nothing: the background goroutine does, waiting.
func writeNow(uintptr, []byte) (int, error) { return 0, nil }

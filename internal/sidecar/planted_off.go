//go:build !planted

package sidecar

import "github.com/nats-io/nats.go"

// plantable says whether this build has bugs in it that can be switched on (planted_on.go): internal/faults makes one to see
// that its checker finds them. It is a constant, so what hangs on it costs nothing here and is not in the program.
const plantable = false

func planted(string) bool { return false }

func plantedOutcome(st settlement) settlement { return st }

func plantedDeath(string) {}

func plantedMessage(*nats.Msg, *delivery) {}

func plantedBatch(st settlement) settlement { return st }

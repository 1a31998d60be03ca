package stream

import (
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// drift names every setting in which have differs from want and which matters to Pelton.
func drift(have, want jetstream.StreamConfig) []Drift {
	var ds []Drift
	add := func(differs bool, format string, args ...any) {
		if differs {
			ds = append(ds, Drift{want.Name, fmt.Sprintf(format, args...)})
		}
	}
	add(!covers(have.Subjects, want.Subjects), "subjects are %v, not %v: events elsewhere are not seen", have.Subjects,
		want.Subjects)
	add(have.Discard != want.Discard, "discards %v messages when full, not %v", have.Discard, want.Discard)
	add(have.MaxAge != want.MaxAge, "keeps messages for %v, not %v", have.MaxAge, want.MaxAge)
	add(normal(have.MaxBytes) != normal(want.MaxBytes), "holds %s, Pelton would choose %s", limit(have.MaxBytes),
		limit(want.MaxBytes))
	add(have.MaxConsumers > 0 && have.MaxConsumers < want.MaxConsumers, "allows %d consumers, not %d", have.MaxConsumers,
		want.MaxConsumers)
	add(want.AllowAtomicPublish && !have.AllowAtomicPublish, "does not allow atomic batches: events are stored one by one")
	add(want.AllowMsgSchedules && !have.AllowMsgSchedules, "does not allow schedules: retries cannot be parked")
	add(!have.AllowDirect, "does not allow direct gets")
	return ds
}

func covers(have, want []string) bool {
	for _, w := range want {
		if !slices.Contains(have, w) && !slices.Contains(have, ">") {
			return false
		}
	}
	return true
}

// normal folds the two ways of saying "no limit".
func normal(n int64) int64 { return max(n, 0) }

// limit says how much a stream may hold.
func limit(bytes int64) string {
	if normal(bytes) == 0 {
		return "any number of bytes"
	}
	return fmt.Sprintf("at most %d MiB", bytes>>20)
}

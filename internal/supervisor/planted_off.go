//go:build !planted

package supervisor

// plantable says whether this build has a bug in it that can be switched on (planted_on.go): internal/faults makes one to see
// that its checker finds it.
const plantable = false

func plantedSituation(s situation) situation { return s }

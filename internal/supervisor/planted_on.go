//go:build planted

package supervisor

import (
	"os"
	"slices"
)

const plantable = true

// plantedSituation forgets the first replica that was started: another is started in its place, and both live.
func plantedSituation(s situation) situation {
	if os.Getenv("PELTON_PLANTED") == bugDoubleStart {
		s.members = slices.DeleteFunc(s.members, func(m member) bool { return m.number == 1 })
	}
	return s
}

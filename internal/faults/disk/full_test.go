package disk_test

import (
	"testing"

	"github.com/pelton-dev/pelton/internal/faults/disk"
)

// TestFullDisk fills the disk under `pelton up` and frees it again, twice.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	v, err := disk.FillDisk(t.Context(), disk.FullConfig{
		Rounds: 2, Pelton: pelton, Dir: newDir(t), Self: self(t), Out: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !v.Passed() {
		t.Error("a promise was broken")
	}
}

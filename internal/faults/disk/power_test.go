package disk_test

import (
	"testing"

	"github.com/pelton-dev/pelton/internal/faults/disk"
)

func cutPower(t *testing.T, cfg disk.PowerConfig) *disk.PowerVerdict {
	t.Helper()
	cfg.Dir, cfg.Self, cfg.Out = newDir(t), self(t), t.Output()
	v, err := disk.CutPower(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestPowerCuts takes the power away twice on the same disk. `task faults:power` does so more often.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	v := cutPower(t, disk.PowerConfig{Cuts: 2, Seed: 1, Pelton: pelton})
	if !v.Passed() {
		t.Errorf("%d events lost, %d hands needed", v.Lost(), v.Troubles())
	}
	if v.Acked() < 100 {
		t.Errorf("%d events acknowledged: that proves little", v.Acked())
	}
}

// TestBugOfNoSync makes sure that a cut takes away what was not synced: what finds nothing lost then proves nothing.
func TestBugOfNoSync(t *testing.T) {
	t.Parallel()
	v := cutPower(t, disk.PowerConfig{Cuts: 1, Seed: 1, Pelton: plantedPelton, Planted: "sync-off"})
	if v.Lost() == 0 {
		t.Error("nothing was found lost")
	}
}

// TestPlantedBuildWithoutItsBug shows that it is the bug that loses events.
func TestPlantedBuildWithoutItsBug(t *testing.T) {
	t.Parallel()
	if v := cutPower(t, disk.PowerConfig{Cuts: 1, Seed: 1, Pelton: plantedPelton}); !v.Passed() {
		t.Errorf("%d events lost, %d hands needed", v.Lost(), v.Troubles())
	}
}

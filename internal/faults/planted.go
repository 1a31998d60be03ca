package faults

// The build of a sidecar with bugs in it. They are in internal/sidecar/planted_on.go, and switched on by PELTON_PLANTED.
const (
	PlantedTag     = "planted"
	SidecarPackage = "github.com/pelton-dev/pelton/cmd/pelton-sidecar"
)

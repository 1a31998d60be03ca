package cli

// The bugs that a build with the tag planted has, by what PELTON_PLANTED says.
const (
	bugSyncOff = "sync-off" // writes are synced when the server's default says so: every two minutes
)

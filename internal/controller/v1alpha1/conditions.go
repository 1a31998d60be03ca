package v1alpha1

// The types of conditions. All are there from the first reconciliation on.
const (
	// Ready sums the next four up: its reason and message are those of the first that is not True. A function at zero replicas
	// that would be started by its next event is ready.
	Ready = "Ready"
	// Accepted says whether the manifest keeps all rules. While it does not, nothing of the function is changed.
	Accepted = "Accepted"
	// StreamReady says whether NATS has the streams, consumers and schedules of the function.
	StreamReady = "StreamReady"
	// WorkloadReady says whether the Deployment is as it should be. At zero replicas it is.
	WorkloadReady = "WorkloadReady"
	// ScalerReady says whether KEDA watches the function.
	ScalerReady = "ScalerReady"
	// Active says whether work waits for the function. It has no part in Ready.
	Active = "Active"
)

// The reasons of conditions. Programs may rely on them.
const (
	ReasonReady    = "Ready"    // Ready: all is well
	ReasonDeleting = "Deleting" // Ready: the Function is being deleted; the message says what that waits for, and until when

	ReasonValid   = "Valid"   // Accepted: the manifest keeps all rules
	ReasonInvalid = "Invalid" // Accepted: it does not; the message lists every problem

	ReasonProvisioned     = "Provisioned"     // StreamReady: everything is there
	ReasonMismatch        = "Mismatch"        // StreamReady: a stream is missing, or does not store a subject of the manifest
	ReasonNATSUnreachable = "NATSUnreachable" // StreamReady: NATS does not answer, or refuses

	ReasonReplicasRefused = "ReplicasRefused" // StreamReady: NATS does not keep a stream as often as it is to; all else is there

	ReasonIdle       = "Idle"       // WorkloadReady: no replica, and none is wanted. Active: nothing waits
	ReasonAvailable  = "Available"  // WorkloadReady: at least one replica is ready, the message says how many are wanted
	ReasonStarting   = "Starting"   // WorkloadReady: the first replica is being started, within the usual time
	ReasonRollingOut = "RollingOut" // WorkloadReady: replicas of an earlier manifest are being replaced
	ReasonStalled    = "Stalled"    // WorkloadReady: they do not become ready; the message says what the Deployment says
	ReasonNameTaken  = "NameTaken"  // WorkloadReady: an object of that name belongs to somebody else
	ReasonNotApplied = "NotApplied" // WorkloadReady: the cluster has refused an object

	ReasonWatched    = "Watched"    // ScalerReady: KEDA watches the function
	ReasonNotWatched = "NotWatched" // ScalerReady: KEDA says that it cannot
	ReasonHeld       = "Held"       // ScalerReady: somebody holds the number of replicas; KEDA does not watch. Active: not known then
	ReasonWaiting    = "Waiting"    // any: it is not known yet

	ReasonWorking = "Working" // Active: events wait or are handled
)

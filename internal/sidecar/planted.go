package sidecar

// The bugs that a build with the tag planted has, by what PELTON_PLANTED says. Each is one that a system of this kind has had.
const (
	bugAckFirst        = "ack-before-handler"
	bugLetterLost      = "ack-after-failed-dead-letter"
	bugReplyLost       = "ack-after-failed-reply"
	bugNoHeartbeat     = "no-heartbeat"
	bugTimeoutAcks     = "timeout-acks"
	bugRejectAcks      = "reject-acks"
	bugParkDropped     = "parked-retry-dropped"
	bugParkCorrupts    = "parked-retry-corrupted"
	bugDrainForgets    = "drain-forgets"
	bugAttemptsLost    = "attempts-lost"
	bugIDWithoutSource = "id-without-source"
	bugBatchAcksAll    = "batch-acks-all"
)

// Where such a build dies now and then, as by SIGKILL, if PELTON_DIES says so. These moments are too short to be hit from
// outside.
const (
	deathAfterHandler = "after-handler" // it has answered, and nothing is recorded
	deathAfterRecord  = "after-record"  // a reply, retry or dead letter is stored, and its event not acknowledged
)

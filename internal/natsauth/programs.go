package natsauth

import (
	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/stream"
)

// The prefixes of the inboxes of our programs.
const (
	ScalerInbox     = "_INBOX_PELTON_SCALER"
	ControllerInbox = "_INBOX_PELTON_CONTROLLER"
	BridgeInbox     = "_INBOX_PELTON_BRIDGE"
)

// What the watching of queues needs beside the queues themselves: a small stream in which it is tried whether probes work here,
// and the news of consumers that are made. The controller hears of those that are deleted.
const (
	selfTestStream   = "PELTON_SELFTEST"
	selfTestSubjects = "pelton.selftest.*"
	madeConsumers    = "$JS.EVENT.ADVISORY.CONSUMER.CREATED.*.*"
	lostConsumers    = "$JS.EVENT.ADVISORY.CONSUMER.DELETED.*.*"
)

// OfScaler is what pelton-scaler needs: to watch any queue, as it may be asked for any, and to read the catalog.
func OfScaler() Permissions {
	p := Permissions{
		Publish:   []string{"$JS.API.CONSUMER.MSG.NEXT.*.*", "$JS.API.CONSUMER.INFO.*.*", selfTestSubjects},
		Subscribe: []string{ScalerInbox + ".>", madeConsumers},
	}
	for _, name := range []string{catalog.StreamName, selfTestStream} {
		p.Publish = append(p.Publish, "$JS.API.STREAM.INFO."+name, "$JS.API.STREAM.CREATE."+name,
			"$JS.API.CONSUMER.CREATE."+name+".>", "$JS.API.CONSUMER.DELETE."+name+".*")
	}
	p.Publish = append(p.Publish, "$JS.API.STREAM.DELETE."+selfTestStream)
	return p
}

// OfBridge is what pelton-bridge needs: to store events and calls of functions, to hear and acknowledge the answers of those that
// are waited for, to say and read what became of those that are asked for later, to take back a call whose caller has gone, and to read the catalog.
func OfBridge() Permissions {
	return Permissions{
		Publish: []string{
			"events.>", "pelton.work.*.*.http", "pelton.body.*.*.*.*",
			"pelton.result.*.*.*", "$JS.API.DIRECT.GET." + stream.ResultStream + ".pelton.result.*.*.*",
			"_INBOX_PELTON.*.*.>", "$JS.API.STREAM.MSG.DELETE." + stream.WorkStream,
			"$JS.API.CONSUMER.CREATE." + stream.ResultStream + ".callbacks.>",
			"$JS.API.CONSUMER.MSG.NEXT." + stream.ResultStream + ".callbacks", "$JS.ACK." + stream.ResultStream + ".callbacks.>",
			"$JS.ACK.*.*." + stream.ResultStream + ".callbacks.>",
			"$JS.API.STREAM.INFO." + catalog.StreamName, "$JS.API.STREAM.CREATE." + catalog.StreamName,
			"$JS.API.CONSUMER.CREATE." + catalog.StreamName + ".>", "$JS.API.CONSUMER.INFO." + catalog.StreamName + ".*",
			"$JS.API.CONSUMER.MSG.NEXT." + catalog.StreamName + ".*",
			"$JS.API.CONSUMER.DELETE." + catalog.StreamName + ".*",
		},
		Subscribe: []string{BridgeInbox + ".>", "pelton.answer.*.*.*.*", "pelton.result.*.*.*"},
	}
}

// OfController is what pelton-controller needs: to make and look after the streams of Pelton, to have consumers on any stream
// that a manifest names, to make dead letters of what waits for a function that is deleted, to see how deep a queue is, to
// hear how busy replicas are, to hear of consumers that somebody deletes, and to remove large bodies that no event has a claim to.
func OfController() Permissions {
	p := Permissions{
		Publish: []string{
			"$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.*",
			"$JS.API.CONSUMER.NAMES.*", "$JS.API.CONSUMER.INFO.*.*", "$JS.API.CONSUMER.CREATE.>", "$JS.API.CONSUMER.DELETE.*.*",
			"$JS.API.CONSUMER.MSG.NEXT.*.*", "$JS.ACK.>",
			"$JS.API.STREAM.CREATE." + stream.EventsStream, "$JS.API.STREAM.UPDATE." + stream.EventsStream, // the replicas of it
			"$JS.API.STREAM.PURGE." + stream.WorkStream, "$JS.API.STREAM.MSG.DELETE." + stream.WorkStream,
			"$JS.API.STREAM.PURGE." + stream.LeaseStream,
			"$JS.API.DIRECT.GET." + stream.WorkStream, "$JS.API.DIRECT.GET." + stream.WorkStream + ".>",
			"$JS.API.DIRECT.GET." + stream.DeadStream, "$JS.API.DIRECT.GET." + stream.BodiesStream + ".>",
			"$JS.API.STREAM.PURGE." + stream.BodiesStream,
			"$JS.API.DIRECT.GET." + catalog.StreamName + ".>",
			"pelton.park.*.*.schedule.*", "pelton.dead.*.*", "pelton.function.*.*",
		},
		Subscribe: []string{ControllerInbox + ".>", "pelton.busy.*.*.*", lostConsumers},
	}
	for _, name := range []string{
		stream.WorkStream, stream.DeadStream, stream.RunsStream, stream.BodiesStream, stream.LeaseStream, stream.ResultStream,
		catalog.StreamName,
	} {
		p.Publish = append(p.Publish, "$JS.API.STREAM.CREATE."+name, "$JS.API.STREAM.UPDATE."+name)
	}
	return p
}

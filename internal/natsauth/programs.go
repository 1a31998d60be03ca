package natsauth

import (
	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/stream"
)

// The prefixes of the inboxes of our programs.
const (
	ScalerInbox     = "_INBOX_PELTON_SCALER"
	ControllerInbox = "_INBOX_PELTON_CONTROLLER"
)

// OfScaler is what pelton-scaler needs. deploy/docs/scaler.md says what each of them is for; a test compares.
func OfScaler() Permissions {
	const functions = catalog.StreamName
	return Permissions{
		Publish: []string{
			"$JS.API.CONSUMER.MSG.NEXT.*.*", "$JS.API.CONSUMER.INFO.*.*",
			"$JS.API.STREAM.INFO." + functions, "$JS.API.STREAM.CREATE." + functions,
			"$JS.API.CONSUMER.CREATE." + functions + ".>", "$JS.API.CONSUMER.DELETE." + functions + ".*",
			"$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.DELETE.*", "$JS.API.CONSUMER.CREATE.>", "pelton.probe.>",
		},
		Subscribe: []string{ScalerInbox + ".>"},
	}
}

// OfController is what pelton-controller needs: to make and look after the streams of Pelton, to have consumers on any stream
// that a manifest names, to make dead letters of what waits for a function that is deleted, and to hear how busy replicas are.
func OfController() Permissions {
	p := Permissions{
		Publish: []string{
			"$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.*",
			"$JS.API.CONSUMER.NAMES.*", "$JS.API.CONSUMER.INFO.*.*", "$JS.API.CONSUMER.CREATE.>", "$JS.API.CONSUMER.DELETE.*.*",
			"$JS.API.CONSUMER.MSG.NEXT.*.*", "$JS.ACK.>",
			"$JS.API.STREAM.CREATE." + stream.EventsStream,
			"$JS.API.STREAM.PURGE." + stream.WorkStream, "$JS.API.STREAM.MSG.DELETE." + stream.WorkStream,
			"$JS.API.DIRECT.GET." + stream.WorkStream, "$JS.API.DIRECT.GET." + stream.WorkStream + ".>",
			"$JS.API.DIRECT.GET." + catalog.StreamName + ".>",
			"pelton.park.*.*.schedule.*", "pelton.dead.*.*", "pelton.function.*.*",
		},
		Subscribe: []string{ControllerInbox + ".>", "pelton.busy.*.*.*"},
	}
	for _, name := range []string{stream.WorkStream, stream.DeadStream, stream.RunsStream, catalog.StreamName} {
		p.Publish = append(p.Publish, "$JS.API.STREAM.CREATE."+name, "$JS.API.STREAM.UPDATE."+name)
	}
	return p
}

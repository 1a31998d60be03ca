package httpcall_test

import (
	"testing"

	"github.com/pelton-dev/pelton/internal/event"
	"github.com/pelton-dev/pelton/internal/invoke/httpcall"
	"github.com/pelton-dev/pelton/internal/invoke/invoketest"
)

func TestCloudEventsTCP(t *testing.T)  { invoketest.Run(t, protocol("tcp", false)) }
func TestCloudEventsUnix(t *testing.T) { invoketest.Run(t, protocol("unix", false)) }
func TestHTTPTCP(t *testing.T)         { invoketest.Run(t, protocol("tcp", true)) }
func TestHTTPUnix(t *testing.T)        { invoketest.Run(t, protocol("unix", true)) }
func TestBatchTCP(t *testing.T)        { invoketest.RunBatch(t, protocol("tcp", false)) }
func TestBatchUnix(t *testing.T)       { invoketest.RunBatch(t, protocol("unix", false)) }

func protocol(network string, plain bool) invoketest.Protocol {
	p := invoketest.Protocol{RetryAfter: true, Brief: true, New: func(t testing.TB, c invoketest.Config) invoketest.Harness {
		return newHarness(t, c, network, plain)
	}}
	if plain {
		p.Carries = carriedPlain
	}
	return p
}

// carriedPlain is what the protocol http sends of an event.
func carriedPlain(e event.Event) event.Event {
	return event.Event{ID: e.ID, Source: e.Source, Type: e.Type, DataContentType: e.DataContentType, Data: e.Data}
}

func newHarness(t testing.TB, c invoketest.Config, network string, plain bool) invoketest.Harness {
	t.Helper()
	address := freeAddress(t, network)
	inv, err := httpcall.New(httpcall.Config{
		Network: network, Address: address, Plain: plain, MaxResponse: c.MaxResponse,
	})
	if err != nil {
		t.Fatal(err)
	}
	return invoketest.Harness{Invoker: inv, Start: func(t testing.TB) func() {
		return invoketest.StartProcess(t, "http", append(c.Env, listenEnv(network, address)...)...)
	}}
}

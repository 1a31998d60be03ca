package stream_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/catalog"
	"github.com/pelton-dev/pelton/internal/stream"
	"github.com/pelton-dev/pelton/internal/testenv"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// cluster is three servers in this process.
func cluster(t *testing.T) jetstream.JetStream {
	t.Helper()
	var routes []*url.URL
	var ports []int
	for range 3 {
		port := testenv.HoldPort(t)
		ports, routes = append(ports, port), append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	var first *server.Server
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("server-%d", i), Host: "127.0.0.1", Port: testenv.HoldPort(t), JetStream: true,
			StoreDir: t.TempDir(), NoSigs: true, NoLog: true, Routes: routes,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() {
			s.Shutdown()
			s.WaitForShutdown()
		})
		if first == nil {
			first = s
		}
	}
	var nc *nats.Conn
	waittest.Eventually(t, func() (err error) {
		nc, err = nats.Connect(first.ClientURL())
		return err
	})
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func configOf(t *testing.T, js jetstream.JetStream, name string) jetstream.StreamConfig {
	t.Helper()
	s, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().Config
}

// TestReplicasOfStreamsThatExist raises and lowers them, also of an EVENTS that its user has made, of which nothing else changes.
func TestReplicasOfStreamsThatExist(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("three servers elect a leader for each stream, three times")
	}
	js := cluster(t)
	own := jetstream.StreamConfig{
		Name: stream.EventsStream, Subjects: []string{"events.>", "more.>"}, MaxAge: 3 * time.Hour, Replicas: 1, Description: "ours",
	}
	waittest.Eventually(t, func() error { // there is a leader first
		_, err := js.CreateStream(t.Context(), own)
		return err
	})
	before := configOf(t, js, stream.EventsStream)
	names := []string{stream.EventsStream, stream.WorkStream, stream.DeadStream, stream.RunsStream, catalog.StreamName}
	// 0 leaves what it finds.
	for _, step := range []struct{ wanted, have int }{{0, 1}, {3, 3}, {0, 3}, {1, 1}} {
		waittest.Eventually(t, func() error { // a stream that is only just being moved takes no other change
			_, err := stream.Ensure(t.Context(), js, stream.Config{Replicas: step.wanted})
			return errors.Join(err, catalog.Ensure(t.Context(), js, step.wanted))
		})
		for _, name := range names {
			if n := configOf(t, js, name).Replicas; n != step.have {
				t.Errorf("wanted %d: stream %s has %d replicas, want %d", step.wanted, name, n, step.have)
			}
		}
		after := configOf(t, js, stream.EventsStream)
		after.Replicas = before.Replicas
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("wanted %d: EVENTS has changed:\n%s", step.wanted, diff)
		}
	}
}

// TestReplicasRefused asks a server that is alone for three replicas: it says no, and everything else is done.
func TestReplicasRefused(t *testing.T) {
	t.Parallel()
	js := ensured(t)
	if err := js.DeleteStream(t.Context(), stream.RunsStream); err != nil {
		t.Fatal(err)
	}
	_, err := stream.Ensure(t.Context(), js, stream.Config{Replicas: 3})
	if err == nil || strings.Contains(err.Error(), "keeps") {
		t.Errorf("a stream that is missing cannot have three either: %v", err)
	}
	if _, err := stream.Ensure(t.Context(), js, stream.Config{}); err != nil {
		t.Fatal(err)
	}
	work := configOf(t, js, stream.WorkStream)
	work.Description = "of an earlier version"
	work.AllowDirect = false
	if _, err := js.UpdateStream(t.Context(), work); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Ensure(t.Context(), js, stream.Config{Replicas: 3})
	refused, ok := errors.AsType[*stream.ReplicasRefused](err)
	if !ok || refused.Stream != stream.EventsStream || refused.Have != 1 || refused.Want != 3 || refused.Cause == nil {
		t.Fatalf("%v", err)
	}
	for _, name := range []string{stream.EventsStream, stream.WorkStream, stream.DeadStream, stream.RunsStream} {
		if !strings.Contains(err.Error(), "stream "+name+" keeps 1 replicas, and not 3") {
			t.Errorf("nothing of %s in: %v", name, err)
		}
	}
	if !configOf(t, js, stream.WorkStream).AllowDirect {
		t.Error("what else was to change has not")
	}
}

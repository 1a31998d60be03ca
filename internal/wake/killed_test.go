package wake

import (
	"bufio"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/pelton-dev/pelton/internal/testenv"
	"github.com/pelton-dev/pelton/internal/waittest"
)

// memberEnv makes the test binary a server of a cluster: NUMBER STOREDIR CLIENTPORT ROUTEPORT...
const memberEnv = "TEST_WAKE_MEMBER"

// storing is the member that has the stream.
const storing = 2

func TestMain(m *testing.M) {
	if spec := os.Getenv(memberEnv); spec != "" {
		if err := serveMember(strings.Fields(spec)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveMember runs a server until its input ends, as it does with the test at the latest.
func serveMember(spec []string) error {
	number, _ := strconv.Atoi(spec[0])
	port, _ := strconv.Atoi(spec[2])
	o := &server.Options{
		ServerName: "member" + spec[0], Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: spec[1], NoSigs: true,
		NoLog: true, Tags: []string{"member:" + spec[0]},
	}
	o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1"}
	for i, route := range spec[3:] {
		if i == number {
			o.Cluster.Port, _ = strconv.Atoi(route)
		}
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: "127.0.0.1:" + route})
	}
	s, err := server.NewServer(o)
	if err != nil {
		return err
	}
	s.Start()
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	s.Shutdown()
	return nil
}

// member is a server of a cluster, a process of its own.
type member struct {
	t    *testing.T
	spec string
	url  string
	cmd  *exec.Cmd
}

func (m *member) start() {
	m.t.Helper()
	m.cmd = exec.Command(os.Args[0])
	m.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"), memberEnv+"="+m.spec)
	m.cmd.Stderr = os.Stderr
	if _, err := m.cmd.StdinPipe(); err != nil { // it is closed when this process ends, however it does
		m.t.Fatal(err)
	}
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *member) kill() {
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait()
}

// startCluster starts three servers, as many as JetStream needs that make a cluster.
func startCluster(t *testing.T) []*member {
	t.Helper()
	var routes, ports []string
	for range 3 {
		routes = append(routes, strconv.Itoa(testenv.HoldPort(t)))
		ports = append(ports, strconv.Itoa(testenv.HoldPort(t)))
	}
	members := make([]*member, 3)
	for i := range members {
		members[i] = &member{
			t: t, url: "nats://127.0.0.1:" + ports[i],
			spec: strings.Join(append([]string{strconv.Itoa(i), t.TempDir(), ports[i]}, routes...), " "),
		}
		members[i].start()
		t.Cleanup(func() { members[i].kill() })
	}
	return members
}

// dial connects to this server alone.
func (m *member) dial() *nats.Conn {
	m.t.Helper()
	var nc *nats.Conn
	waittest.Eventually(m.t, func() (err error) {
		nc, err = nats.Connect(m.url, nats.MaxReconnects(-1))
		return err
	})
	m.t.Cleanup(nc.Close)
	return nc
}

// TestProbeOfAKilledServerIsParkedAgain kills the server that has a consumer. The watcher is connected to another one: it loses
// no connection, and nobody answers its probe any more.
func TestProbeOfAKilledServerIsParkedAgain(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the servers elect a leader, twice: a minute")
	}
	members := startCluster(t)
	nc := members[0].dial()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	waittest.Eventually(t, func() error { // JetStream takes a moment
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
			Name: "JOBS", Subjects: []string{"jobs.*"}, Placement: &jetstream.Placement{Tags: []string{fmt.Sprint("member:", storing)}},
		})
		return err
	})
	if _, err := js.CreateConsumer(t.Context(), "JOBS", jetstream.ConsumerConfig{
		Durable: "worker", AckPolicy: jetstream.AckExplicitPolicy,
	}); err != nil {
		t.Fatal(err)
	}
	seat := newSeat(t, members[0].dial(), Config{AllWork: true, ProbeExpires: time.Hour, DepthInterval: 20 * time.Millisecond}, "worker")
	awaitProbe := func() {
		t.Helper()
		waittest.Eventually(t, func() error {
			c, err := js.Consumer(t.Context(), "JOBS", "worker")
			if err != nil {
				return err
			}
			if n := c.CachedInfo().NumWaiting; n < 1 {
				return errors.New("no probe waits")
			}
			return nil
		})
	}
	seat.await(t, "nothing due", func(r Reading) bool { return r.Known && r.Due == 0 && r.Err == nil })
	seat.awaitServers(t, 2)
	awaitProbe()
	members[storing].kill()
	seat.awaitServers(t, 1)
	members[storing].start()
	awaitProbe()
	if _, err := js.Publish(t.Context(), "jobs.worker", []byte("x")); err != nil {
		t.Fatal(err)
	}
	seat.await(t, "one due", func(r Reading) bool { return r.Due == 1 })
}

// awaitServers waits until the watcher has seen so many servers beside the one it is connected to.
func (s *seat) awaitServers(t *testing.T, n int) {
	t.Helper()
	waittest.Eventually(t, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.servers.known) != n {
			return fmt.Errorf("the servers are %v, want %d", s.servers.known, n)
		}
		return nil
	})
}

// TestProbesAreRenewedWhenAServerJoins looks at when alone.
func TestProbesAreRenewedWhenAServerJoins(t *testing.T) {
	t.Parallel()
	var s servers
	at := time.Now()
	for i, step := range []struct {
		servers string
		after   time.Duration
		want    bool
	}{
		{"a b", time.Second, true}, // the first look
		{"a b", time.Minute, false},
		{"a", time.Second, false},
		{"a b", time.Second, true},
		{"a", time.Second, false},
		{"b a", time.Second, false}, // too soon
		{"b a", time.Second, false},
		{"b a", renewRest, true},
		{"b a", time.Minute, false},
		{"", time.Minute, false}, // connected to another one
		{"c", time.Second, true},
	} {
		at = at.Add(step.after)
		if got := s.look(strings.Fields(step.servers), at); got != step.want {
			t.Errorf("look %d at %q: %v, want %v", i, step.servers, got, step.want)
		}
	}
}

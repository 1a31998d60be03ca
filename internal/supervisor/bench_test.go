package supervisor

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
)

// BenchmarkColdStart is from publishing to the handler's answer, for a function at zero. BenchmarkBareStart is its floor:
// the same program from its start until it takes a connection.
func BenchmarkColdStart(b *testing.B) {
	fn := makeFunction(b, "cold", "serve", func(s *function.Spec) { s.Scale.Cooldown = function.Duration(time.Millisecond) })
	r := newRig(b, nil, fn)
	var took, starts []time.Duration
	for i := range b.N {
		r.await("cold", "at zero", func(s Status) bool { return s.Phase == PhaseIdle && len(s.Replicas) == 0 && s.Due == 0 })
		begun := time.Now()
		r.publish("cold", "x")
		r.awaitDone("cold", i+1)
		r.mu.Lock()
		run := r.runs[len(r.runs)-1]
		r.mu.Unlock()
		took = append(took, run.Started.Add(run.Duration).Sub(begun))
		starts = append(starts, r.statusOf("cold").LastStart.Ready)
	}
	report(b, "publish-to-answer", took)
	report(b, "decided-to-ready", starts)
}

func BenchmarkBareStart(b *testing.B) {
	var took []time.Duration
	for range b.N {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		address := l.Addr().String()
		_ = l.Close()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), handlerMode+"=serve", "PORT="+strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
		begun := time.Now()
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		for pause := time.NewTicker(200 * time.Microsecond); ; <-pause.C {
			if c, err := net.Dial("tcp", address); err == nil {
				_ = c.Close()
				pause.Stop()
				break
			}
		}
		took = append(took, time.Since(begun))
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	report(b, "start-to-listen", took)
}

func report(b *testing.B, name string, took []time.Duration) {
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(took[len(took)/2]), "ms-"+name+"-p50")
	b.ReportMetric(ms(took[len(took)*99/100]), "ms-"+name+"-p99")
}

// BenchmarkIdle is the processor time of many functions at zero.
func BenchmarkIdle(b *testing.B) {
	var functions []*function.Function
	for i := range 100 {
		functions = append(functions, makeFunction(b, fmt.Sprintf("idle%d", i), "serve"))
	}
	newRig(b, nil, functions...)
	before := cpu(b)
	timer := time.NewTimer(5 * time.Second)
	<-timer.C
	b.ReportMetric(100*(cpu(b)-before).Seconds()/5, "%core")
}

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRecovery kills a warm handler every two seconds: from the kill until another one is ready.
func BenchmarkRecovery(b *testing.B) {
	fn := makeFunction(b, "frail", "serve", func(s *function.Spec) { s.Scale.MinReplicas = 1 })
	r := newRig(b, nil, fn)
	var took []time.Duration
	pace := time.NewTicker(2 * time.Second)
	defer pace.Stop()
	for range b.N {
		pid := r.await("frail", "ready", func(s Status) bool { return s.Ready == 1 }).Replicas[0].PID
		begun := time.Now()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			b.Fatal(err)
		}
		r.await("frail", "ready again", func(s Status) bool {
			return slices.ContainsFunc(s.Replicas, func(rs ReplicaStatus) bool { return rs.State == "ready" && rs.PID != pid })
		})
		took = append(took, time.Since(begun))
		<-pace.C
	}
	report(b, "kill-to-ready", took)
}

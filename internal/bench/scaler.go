package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
)

const scalerWatched = 2000 // functions at zero while events are published

// scalerWorld is the real scaler as a process between a server of its own and this process, which is KEDA.
type scalerWorld struct {
	*rig
	program string
	address string
	fns     []*function.Function
	process *child
}

// scaler measures the external scaler from KEDA's side.
func scaler(ctx context.Context, r *rig, t *table) error {
	o, stop, err := r.another(ctx, "scaler")
	if err != nil {
		return err
	}
	defer stop()
	w := &scalerWorld{rig: o, program: filepath.Join(r.dir, "pelton-scaler")}
	if err := w.build(ctx, "cmd/pelton-scaler", w.program); err != nil {
		return err
	}
	if w.address, err = freeAddress(); err != nil {
		return err
	}
	t.add("scaler, load average before", "", loadAverage(), "", "")
	if err := w.makeFunctions(ctx, t); err != nil {
		return err
	}
	for _, measure := range []func(context.Context, *table) error{w.pushes, w.many, w.followed, w.restarts} {
		if err := measure(ctx, t); err != nil {
			return err
		}
	}
	t.add("scaler, load average after", "", loadAverage(), "", "")
	return nil
}

// startScaler starts the scaler and returns when its port takes connections, and that moment.
func (w *scalerWorld) startScaler(ctx context.Context) (accepts time.Time, err error) {
	w.process, err = w.start(exec.Command(w.program), "NATS_URL="+w.url, "PELTON_SCALER_ADDRESS="+w.address,
		"PELTON_HEALTH_ADDRESS=127.0.0.1:0", "PELTON_LOG_LEVEL=warn")
	if err != nil {
		return accepts, err
	}
	err = await(ctx, "the scaler's port", waitStart, func() (bool, error) {
		c, err := net.Dial("tcp", w.address)
		if err != nil {
			return false, err
		}
		accepts = time.Now()
		return true, c.Close()
	})
	if err != nil {
		w.process.stop()
	}
	return accepts, err
}

// watched starts a scaler and KEDA for the first n functions, and returns when all is open and at rest.
func (w *scalerWorld) watched(ctx context.Context, n int, live bool) (_ *keda, stop func(), err error) {
	if _, err := w.startScaler(ctx); err != nil {
		return nil, nil, err
	}
	k, err := newKEDA(w.address, live)
	if err != nil {
		w.process.stop()
		return nil, nil, err
	}
	stop = func() {
		k.stop()
		w.process.stop()
	}
	if err := k.add(ctx, w.fns[:min(n, len(w.fns))]); err != nil {
		stop()
		return nil, nil, err
	}
	return k, stop, nil
}

// pushes publishes to functions at zero, one after the other: how long until KEDA is told.
func (w *scalerWorld) pushes(ctx context.Context, t *table) error {
	k, stop, err := w.watched(ctx, scalerWatched, true)
	if err != nil {
		return err
	}
	defer stop()
	return w.pushRows(ctx, t, k)
}

// followed is what it costs to follow the targets of all functions as well.
func (w *scalerWorld) followed(ctx context.Context, t *table) error {
	k, stop, err := w.watched(ctx, len(w.fns), true)
	if err != nil {
		return err
	}
	defer stop()
	return w.followedRow(ctx, t, k)
}

// pushRows never uses a function twice: it would have to come to rest in between.
func (w *scalerWorld) pushRows(ctx context.Context, t *table, k *keda) error {
	n := len(k.refs)
	var waits []float64
	for i := range min(n, w.opts.few(wakeSamples)) {
		k.waits.Store(int64(i))
		d, err := w.publishAndWait(ctx, i, k.told)
		if err != nil {
			return err
		}
		waits = append(waits, milliseconds(d))
	}
	what := fmt.Sprintf("scaler, publish until \"true\" on the stream, %d functions, p50, ms", n)
	t.add(what, "", fmt.Sprintf("%.2f", median(waits)), "", "")
	t.limit("  p99, ms", "%.2f", 20, quantile(waits, 0.99), "below 1.00")
	t.add(fmt.Sprintf("  longest of %d, ms", len(waits)), "", fmt.Sprintf("%.2f", quantile(waits, 1)), "", "")
	return nil
}

// many is what must hold with all functions watched.
func (w *scalerWorld) many(ctx context.Context, t *table) error {
	k, stop, err := w.watched(ctx, len(w.fns), false)
	if err != nil {
		return err
	}
	defer stop()
	if err := w.quiet(ctx, t, k); err != nil {
		return err
	}
	if err := w.asked(ctx, t, k); err != nil {
		return err
	}
	return w.pushRows(ctx, t, k)
}

// freeAddress is an address where nobody listens now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// loadAverage is the machine's load average over one minute, which says how far to trust what was measured.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(b))[0]
}

package faults

import (
	"context"
	"time"

	"github.com/pelton-dev/pelton/internal/faults/proxy"
)

// What a slow connection is like: a bad one over half the world.
const (
	slowDelay = 250 * time.Millisecond // each way
	slowRate  = 64 << 10               // bytes a second
	poorRate  = 8 << 10                // of a poor one: 64 kbit/s
	poorEvery = 7 * time.Second        // between two breaks of a poor one
)

// breaks is how often a poor connection breaks in a time.
func breaks(pause time.Duration) int { return int(pause / poorEvery) }

// link makes a way to the server that is one program's own.
func (w *world) link(name string) error {
	p, err := proxy.Listen(w.serverAddress())
	if err != nil {
		return err
	}
	w.links[name] = p
	w.cleanup = append(w.cleanup, p.Close)
	return nil
}

// url is the server as a program sees it.
func (w *world) url(name string) string { return "nats://" + w.links[name].Addr() }

// disturb hurts a connection for a while, and leaves it whole, also if ctx ends before.
func disturb(ctx context.Context, p *proxy.Proxy, fault Fault, pause time.Duration) {
	silent := proxy.Shape{Silent: true}
	switch fault {
	case FaultCut:
		p.Refuse(true)
		defer p.Refuse(false)
	case FaultSlow:
		slow := proxy.Shape{Delay: slowDelay, Rate: slowRate}
		shape(p, slow, slow)
	case FaultPoor:
		poor := proxy.Shape{Delay: slowDelay, Rate: poorRate}
		shape(p, poor, poor)
		for range breaks(pause) {
			sleep(ctx, poorEvery)
			pause -= poorEvery
			p.Reset()
		}
	case FaultHole:
		shape(p, silent, silent)
	case FaultDeaf:
		shape(p, proxy.Shape{}, silent)
	case FaultMute:
		shape(p, silent, proxy.Shape{})
	}
	sleep(ctx, pause)
	if fault == FaultDeaf || fault == FaultMute {
		p.Reset()
	}
	shape(p, proxy.Shape{}, proxy.Shape{})
}

func shape(p *proxy.Proxy, up, down proxy.Shape) {
	p.Shape(proxy.Up, up)
	p.Shape(proxy.Down, down)
}

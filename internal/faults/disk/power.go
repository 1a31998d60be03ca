package disk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// PowerConfig says how often to cut the power, and of what. Pelton, Self and Dir are needed.
type PowerConfig struct {
	Cuts    int // 0 is five
	Seed    uint64
	Pelton  string // the built program
	Self    string // this program, whose main calls RunHandler
	Dir     string // an empty folder, not on the disk that is hurt
	Planted string // the bug to switch on, in a pelton built with -tags planted
	Out     io.Writer
}

const (
	defaultCuts  = 5
	cutsPerDisk  = 10 // then begins a new one, so that what is read after each cut stays little
	powerData    = 200
	powerAtLeast = 50 // events that are acknowledged before a cut, however slow the machine is
	settleAtMost = 2 * time.Minute
	onAtLeast    = 300 * time.Millisecond
	onAtMost     = 3 * time.Second
)

// Cut is one power cut, and what was there after it.
type Cut struct {
	On      time.Duration `json:"onNs"`    // how long events had come in
	Acked   int           `json:"acked"`   // on this disk so far
	Missing []string      `json:"missing"` // acknowledged, and not stored any more
	Undone  []string      `json:"undone"`  // acknowledged and stored, and neither done nor dead
	Ready   time.Duration `json:"readyNs"` // until the next `pelton up` served
	Settled time.Duration `json:"settledNs"`
	Trouble string        `json:"trouble,omitempty"` // a hand was needed
}

// ok reports whether no promise was broken.
func (c *Cut) ok() bool { return len(c.Missing) == 0 && len(c.Undone) == 0 && c.Trouble == "" }

// String is one line.
func (c *Cut) String() string {
	return fmt.Sprintf("after %v, %d acknowledged on this disk, %d missing, %d not done; served after %v, settled after %v%s",
		c.On.Round(time.Millisecond), c.Acked, len(c.Missing), len(c.Undone), c.Ready.Round(time.Millisecond),
		c.Settled.Round(time.Millisecond), c.Trouble)
}

// PowerVerdict is what came of all cuts.
type PowerVerdict struct {
	Seed    uint64 `json:"seed"`
	Planted string `json:"planted,omitempty"`
	Cuts    []Cut  `json:"cuts"`
}

// Passed reports whether every acknowledged event has outlived every cut, and nobody was needed for it.
func (v *PowerVerdict) Passed() bool { return v.Lost() == 0 && v.Troubles() == 0 && len(v.Cuts) > 0 }

// Lost counts acknowledged events that were not there any more, or were never handled.
func (v *PowerVerdict) Lost() (n int) {
	for _, c := range v.Cuts {
		n += len(c.Missing) + len(c.Undone)
	}
	return n
}

// Troubles counts cuts after which `pelton up` did not go on by itself.
func (v *PowerVerdict) Troubles() (n int) {
	for _, c := range v.Cuts {
		if c.Trouble != "" {
			n++
		}
	}
	return n
}

// Acked counts the acknowledged events of all disks.
func (v *PowerVerdict) Acked() (n int) {
	for i, c := range v.Cuts {
		if i == len(v.Cuts)-1 || v.Cuts[i+1].Acked < c.Acked {
			n += c.Acked
		}
	}
	return n
}

// power cuts the power of one machine again and again.
type power struct {
	cfg     PowerConfig
	machine *machine
	random  *rand.Rand
	disk    *image
	disks   int
	acked   ledger
}

// CutPower runs `pelton up` on a disk of its own and takes the power away at random moments, while events come in. The error
// says that there is no verdict.
func CutPower(ctx context.Context, cfg PowerConfig) (v *PowerVerdict, err error) {
	cfg.Cuts = cmp.Or(cfg.Cuts, defaultCuts)
	if cfg.Out == nil {
		cfg.Out = io.Discard
	}
	p := &power{cfg: cfg, random: rand.New(rand.NewPCG(cfg.Seed, 0)), acked: ledger{}}
	p.machine = &machine{base: cfg.Dir, pelton: cfg.Pelton, self: cfg.Self, env: []string{"PELTON_PLANTED=" + cfg.Planted}}
	if err := p.machine.writeManifest(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	v = &PowerVerdict{Seed: cfg.Seed, Planted: cfg.Planted}
	for n := range cfg.Cuts {
		if p.disk == nil {
			if err := p.newDisk(ctx); err != nil {
				return nil, err
			}
		}
		c, err := p.cut(ctx, fmt.Sprintf("c%d", n))
		if err != nil {
			return nil, fmt.Errorf("power cut %d: %w", n+1, err)
		}
		v.Cuts = append(v.Cuts, *c)
		fmt.Fprintf(cfg.Out, "cut %d of %d: %v\n", n+1, cfg.Cuts, c)
		if !c.ok() || (n+1)%cutsPerDisk == 0 {
			if err := p.close(ctx); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// newDisk makes an empty disk and starts the machine on it.
func (p *power) newDisk(ctx context.Context) (err error) {
	path, dir := p.nextDisk()
	if p.disk, err = newImage(ctx, path, dir); err != nil {
		return err
	}
	p.acked = ledger{}
	if err := os.RemoveAll(p.machine.notes()); err != nil {
		return fmt.Errorf("delete notes: %w", err)
	}
	p.machine.state = filepath.Join(p.disk.dir, "state")
	return p.machine.start(ctx)
}

func (p *power) nextDisk() (path, dir string) {
	p.disks++
	return filepath.Join(p.cfg.Dir, fmt.Sprintf("disk%d.img", p.disks)), filepath.Join(p.cfg.Dir, fmt.Sprintf("mnt%d", p.disks))
}

// cut lets events come in for a while, takes the power away, and looks at what the machine makes of the disk.
func (p *power) cut(ctx context.Context, prefix string) (*Cut, error) {
	c := &Cut{On: onAtLeast + time.Duration(p.random.Int64N(int64(onAtMost-onAtLeast)))}
	path, dir := p.nextDisk()
	if err := p.lose(ctx, c, prefix, path); err != nil {
		return nil, err
	}
	var err error
	if p.disk, err = mountImage(ctx, path, dir); err != nil {
		return nil, err
	}
	p.machine.state = filepath.Join(dir, "state")
	begun := time.Now()
	if err := p.machine.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		c.Trouble = trouble(err)
		return c, nil
	}
	c.Ready = time.Since(begun)
	return c, p.look(ctx, c, begun)
}

// lose publishes until the power is gone. Afterwards the file at path is all that is left.
func (p *power) lose(ctx context.Context, c *Cut, prefix, path string) error {
	pubs, err := publish(ctx, p.machine.urls, prefix, powerData)
	if err != nil {
		return err
	}
	err = poll(ctx, acceptPatience, "events are accepted", pubs.accepted(powerAtLeast))
	if err == nil {
		sleep(ctx, c.On)
		err = p.machine.freeze(ctx)
	}
	if err == nil {
		err = p.disk.cut(ctx, path) // whatever was acknowledged was so before
	}
	p.acked.add(pubs.stop())
	c.Acked = len(p.acked)
	if err := errors.Join(err, p.machine.kill(ctx)); err != nil {
		return err
	}
	gone := p.disk
	p.disk = nil
	return gone.discard()
}

// trouble is the text of what did not come by itself.
func trouble(err error) string {
	if err == nil {
		return ""
	}
	return "; " + err.Error()
}

// look compares what was acknowledged with what is there, once everything has settled.
func (p *power) look(ctx context.Context, c *Cut, begun time.Time) error {
	w, err := look(p.machine.urls)
	if err != nil {
		return err
	}
	defer w.close()
	c.Trouble = trouble(w.settle(ctx, settleAtMost))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.Settled = time.Since(begun)
	if n := p.machine.wrote("store-damaged"); n > 0 && c.Trouble == "" {
		c.Trouble = fmt.Sprintf("; it says that the store is damaged, %d times", n)
	}
	c.Missing, c.Undone, err = w.judge(ctx, p.acked, p.machine.notes())
	return err
}

// close ends the machine and takes its disk away.
func (p *power) close(ctx context.Context) error {
	if p.disk == nil {
		return nil
	}
	disk := p.disk
	p.disk = nil
	return errors.Join(p.machine.kill(context.WithoutCancel(ctx)), disk.discard())
}

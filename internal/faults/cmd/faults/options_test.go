package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/faults"
)

func read(t *testing.T, args ...string) *options {
	t.Helper()
	o, err := readOptions(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestProfilesAreAsLargeAsTheySay: whatever the seed is.
func TestProfilesAreAsLargeAsTheySay(t *testing.T) {
	t.Parallel()
	for profile, want := range map[string]struct{ kills, events int }{"ci": {60, 50_000}, "hand": {1000, 1_000_000}} {
		o := read(t, "-profile", profile)
		if o.cfg.Load.Events != want.events {
			t.Errorf("%s: %d events, want %d", profile, o.cfg.Load.Events, want.events)
		}
		for seed := range uint64(30) {
			kills := 0
			for _, a := range faults.NewPlan(seed, o.cfg.Duration, o.cfg.Every) {
				if a.Fault == faults.FaultKill {
					kills++
				}
			}
			if kills < want.kills*11/10 { // some hit a process that is away
				t.Errorf("%s, seed %d: %d kills, want more than %d", profile, seed, kills, want.kills)
			}
		}
	}
}

func TestFlagsCountMoreThanTheProfile(t *testing.T) {
	t.Parallel()
	o := read(t, "-profile", "ci", "-rate", "500", "-events", "700")
	if o.cfg.Load.Events != 700 || o.cfg.Load.Rate != 500 || o.cfg.Duration != 1400*time.Millisecond || o.cfg.Every == 0 {
		t.Errorf("%+v", o.cfg)
	}
	if o = read(t, "-profile", "ci", "-duration", "2s"); o.cfg.Load.Events != 300 || o.cfg.Duration != 2*time.Second {
		t.Errorf("%+v", o.cfg)
	}
	if o = read(t, "-quiet", "-events", "9"); o.cfg.Every != 0 || o.cfg.Timeout != quietTimeout || o.cfg.Load.Events != 9 {
		t.Errorf("%+v", o.cfg)
	}
	if o = read(t, "-poison", "-events", "9"); o.cfg.Every != 0 || o.cfg.Load.Events != 9 || len(o.cfg.Load.Shares) != 2 || o.cfg.Patience == 0 {
		t.Errorf("%+v", o.cfg)
	}
	if o = read(t, "-kill", "sidecar", "-every", "9s"); o.cfg.Kill != "sidecar" || o.cfg.Every != 9*time.Second {
		t.Errorf("%+v", o.cfg)
	}
	if o = read(t, "-planted", "double-start"); o.cfg.Planted != "double-start" || !o.cfg.Host || len(o.cfg.Plan) != 1 {
		t.Errorf("%+v", o.cfg)
	}
}

// TestReplayIsTheRunOfTheVerdict: the faults as they were done, in the order of their times.
func TestReplayIsTheRunOfTheVerdict(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "verdict.json")
	early := faults.Action{At: time.Second, Target: "server", Fault: faults.FaultKill, Pause: time.Second, Began: time.Now()}
	late := faults.Action{At: 2 * time.Second, Target: "bridge", Fault: faults.FaultCut, Result: "it does not run"}
	v := &faults.Verdict{Seed: 9, Load: faults.DefaultLoad(5, time.Minute), Timeout: time.Second, Concurrency: 3, Dies: faults.DiesAfterRecord}
	v.Faults = []faults.Action{late, early}
	if err := v.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	early.Began, late.Result = time.Time{}, ""
	want := faults.Config{
		Seed: 9, Load: v.Load, Timeout: time.Second, Concurrency: 3, Dies: v.Dies, Plan: []faults.Action{early, late},
	}
	got := read(t, "-replay", path).cfg
	got.Duration, got.Every = 0, 0 // the plan and the load decide
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFlagsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-profile none":           `-profile "none": want one of ci, hand, night, short`,
		"-rate 0":                 "-rate: want more than 0",
		"-every -1s":              "-every: want more than 0",
		"-events 5 -duration 1s":  "-events, -duration: want one of them",
		"-quiet -every 1s":        "-quiet, -every: want one of them",
		"-replay x -seed 1":       "-replay, -seed: want one of them",
		"-planted none":           `-planted: find bug "none"`,
		"-planted x -profile ci":  "-planted, -profile",
		"-dies never":             `-dies "never"`,
		"-replay /does/not/exist": "-replay: read verdict",
		"-kill publisher":         `-kill "publisher": want one of handler, sidecar, server, bridge`,
		"-poison -every 1s":       "-poison, -every: want one of them",
		"-kill server -host":      "-kill, -host: want one of them",
		"extra":                   `argument "extra"`,
	} {
		if _, err := readOptions(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", args, err, want)
		}
	}
}

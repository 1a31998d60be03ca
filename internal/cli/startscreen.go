package cli

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/process"
	"github.com/pelton-dev/pelton/internal/supervisor"
)

// ready is what up says under -o json once everything listens.
type ready struct {
	Version   string          `json:"version"`
	PID       int             `json:"pid"`
	HTTPURL   string          `json:"httpURL"`
	NATSURL   string          `json:"natsURL"`
	StateDir  string          `json:"stateDir"`
	Ephemeral bool            `json:"ephemeral"`
	Functions []readyFunction `json:"functions"`
}

type readyFunction struct {
	Name     string   `json:"name"`
	State    string   `json:"state"` // ready, building, or cannot run
	Triggers []string `json:"triggers"`
	Scale    string   `json:"scale"`
	Problem  string   `json:"problem,omitempty"` // why it cannot run now
	Warning  string   `json:"warning,omitempty"` // what is most likely a mistake
}

// view is how this run shows what happens.
func (u *upRun) view() view {
	if u.app.json() {
		return jsonView{u.out}
	}
	v := newTextView(u.out, u.app.painter(u.app.stdout))
	for _, fn := range u.functions {
		v.runs.name = max(v.runs.name, len(fn.Key().String())) // aligned from the first line
	}
	return v
}

// startScreen says where everything is.
func (u *upRun) startScreen() {
	r := ready{
		Version: u.state.Version, PID: u.state.PID, HTTPURL: u.state.HTTPURL, NATSURL: u.state.NATSURL,
		StateDir: u.opts.stateDir, Ephemeral: u.opts.ephemeral, Functions: []readyFunction{},
	}
	for _, fn := range slices.SortedFunc(slices.Values(u.functions), inOrder) {
		r.Functions = append(r.Functions, u.readyFunction(fn))
	}
	if u.app.json() {
		jsonView{u.out}.line("up.ready", time.Now(), r)
		return
	}
	u.printScreen(r)
}

func (u *upRun) readyFunction(fn *function.Function) readyFunction {
	f := readyFunction{Name: fn.Key().String(), Triggers: triggersText(fn), Scale: scaleText(fn)}
	f.State, f.Problem = u.stateOf(fn)
	if w := warningOf(fn); w != nil {
		f.Warning = w.Message
	}
	return f
}

func inOrder(a, b *function.Function) int { return compareKeys(a.Key(), b.Key()) }

// The states of functions on the start screen.
const (
	stateReady     = "ready"      // it runs when an event is due
	stateBuilding  = "building"   // it runs once its program is built; a line tells
	stateCannotRun = "cannot run" // with the problem
)

// stateOf says whether a function can run now, and why not. Whoever has a program to build cannot run before: that the
// supervisor has not come to it yet makes no difference.
func (u *upRun) stateOf(fn *function.Function) (state, problem string) {
	if problem := u.problemOf(fn); problem != "" {
		return stateCannotRun, problem
	}
	s, err := u.sup.Status(fn.Key())
	if s.Phase == supervisor.PhaseBroken {
		return stateCannotRun, s.SetupError
	}
	if len(fn.Spec.Handler.Build) > 0 && (err != nil || s.Phase == supervisor.PhaseSetup) {
		return stateBuilding, ""
	}
	return stateReady, ""
}

// problemOf says what is seen of a function without starting it: why it cannot run now, or "".
func (u *upRun) problemOf(fn *function.Function) string {
	if p := u.problems[fn.Key()]; p != "" {
		return p
	}
	command := fn.Spec.Handler.Command
	if len(fn.Spec.Handler.Build) > 0 {
		command = fn.Spec.Handler.Build // the program itself may not be there before the build
	}
	env := []string{"PATH=" + u.app.getenv("PATH")}
	for _, v := range fn.Spec.Handler.Env {
		if v.ValueFrom == nil {
			env = append(env, v.Name+"="+v.Value)
		}
	}
	if _, err := process.LookPath(command[0], fn.Origin.Dir, env); err != nil {
		return err.Error()
	}
	return ""
}

func (u *upRun) printScreen(r ready) {
	w, p := u.out, u.app.painter(u.app.stdout)
	fmt.Fprintf(w, "%s %s   %s\n\n", p.bold("pelton"), r.Version, plural(len(r.Functions), "function"))
	_ = writeTable(w, append(u.addresses(r), u.damageRows()...))
	fmt.Fprintln(w)
	rows := [][]string{}
	for _, f := range r.Functions {
		rows = append(rows, []string{"  " + f.Name, f.State, "scale " + f.Scale, strings.Join(f.Triggers, "; ")})
		if f.Problem != "" {
			rows = append(rows, []string{"", "", "", "why: " + oneLine(f.Problem, 200)})
		}
		if f.Warning != "" {
			rows = append(rows, []string{"", "", "", "warning: " + oneLine(f.Warning, 300)})
		}
	}
	_ = writeTable(w, rows)
	fmt.Fprintln(w, "\n"+p.dim("  one line per run follows; Ctrl-C stops"))
}

func (u *upRun) addresses(r ready) [][]string {
	state := r.StateDir
	if abs, err := filepath.Abs(r.StateDir); err == nil {
		state = abs
	}
	state += "  (kept; every write is synced)"
	if r.Ephemeral {
		state = filepath.Join(u.runtime, "nats") + "  (temporary: deleted at the end)"
	}
	if u.nats == nil {
		state = "in the NATS server"
	}
	return [][]string{{"  HTTP", r.HTTPURL + "/events/SUBJECT"}, {"  NATS", r.NATSURL}, {"  State", state}}
}

// farewell is the last word.
func (u *upRun) farewell() {
	took := time.Since(u.started)
	if u.app.json() {
		jsonView{u.out}.line("up.stopped", time.Now(), struct {
			Outcomes map[string]int `json:"outcomes"`
			Uptime   time.Duration  `json:"uptimeNs"`
		}{u.console.totals, took})
		return
	}
	fmt.Fprintf(u.out, "\nstopped after %s: %s\n", short(took), upTotals(u.console))
}

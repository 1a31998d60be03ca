package cli

import (
	"errors"
	"sync"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/supervisor"
)

// reloads remembers what became of changed files, for those who ask later.
type reloads struct {
	mu      sync.Mutex // guards what follows
	refused *refusal
	changed map[function.Key]time.Time // when a function was given its newest version
}

// refusal is why the manifests on disk are not the ones that serve.
type refusal struct {
	At    time.Time `json:"at"`
	Error string    `json:"error"`
	Files []string  `json:"files,omitempty"` // with problems; none if it is not about one
}

// concerns reports whether a manifest may be one of those that are wrong.
func (r *refusal) concerns(file string) bool {
	for _, f := range r.Files {
		if f == file {
			return true
		}
	}
	return len(r.Files) == 0
}

func newReloads() *reloads { return &reloads{changed: map[function.Key]time.Time{}} }

// read notes what reading the manifests has come to.
func (r *reloads) read(err error) {
	var refused *refusal
	if err != nil {
		refused = &refusal{At: time.Now(), Error: err.Error()}
		var invalid *function.Invalid
		if errors.As(err, &invalid) {
			refused.Error = invalid.Error()
			for _, p := range invalid.Problems {
				refused.Files = append(refused.Files, p.File)
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = refused
}

func (r *reloads) event(e supervisor.Event) {
	if e.Kind != supervisor.EventReloaded {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed[e.Function] = e.Time
}

// fill adds what is known to a view.
func (r *reloads) fill(v *functionView) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.Refused, v.ChangedAt = r.refused, r.changed[v.key()]
}

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/pelton-dev/pelton/internal/function"
)

// debounce collects the many writes of one save.
const debounce = 100 * time.Millisecond

// fileWatch watches the directories of all functions and of the manifests, and hands changes on in groups.
type fileWatch struct {
	sup  *Supervisor
	tree tree          // used by run alone
	kick chan struct{} // one place: roots have changed

	mu    sync.Mutex
	roots []string
}

// watchFiles starts to watch, if that is wanted and possible.
func (s *Supervisor) watchFiles() {
	if !s.cfg.Watch {
		return
	}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		s.watchFailed(fmt.Errorf("watch files: %w", err))
		return
	}
	w := &fileWatch{
		sup: s, kick: make(chan struct{}, 1),
		tree: tree{fs: notify, dirs: map[string]bool{}, files: map[string]bool{}},
	}
	s.file = w
	s.work.Go(func() { w.run(s.ctx) })
}

func (s *Supervisor) watchFailed(err error) {
	s.cfg.OnEvent(Event{Time: time.Now(), Kind: EventWatchError, Text: err.Error()})
}

// setRoots says which directories matter from now on. Directories that were watched before stay watched.
func (w *fileWatch) setRoots(functions []*function.Function) {
	w.mu.Lock()
	w.roots = nil
	for _, path := range w.sup.cfg.Manifests {
		if abs, err := filepath.Abs(path); err == nil {
			w.roots = append(w.roots, abs)
		}
	}
	for _, fn := range functions {
		w.roots = append(w.roots, fn.Origin.Dir)
	}
	w.mu.Unlock()
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// run collects changes until nothing more comes for a moment, and hands them on.
func (w *fileWatch) run(ctx context.Context) {
	defer func() { _ = w.tree.fs.Close() }()
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	collected := map[string]change{}
	watching := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.kick:
			w.addRoots()
			if !watching && w.sup.cfg.Reload != nil {
				w.reload(ctx) // manifests may have changed since they were read and before they were watched
			}
			watching = true
		case e, ok := <-w.tree.fs.Events:
			if !ok {
				return
			}
			if w.collect(collected, e) {
				timer.Reset(debounce)
			}
		case err := <-w.tree.fs.Errors:
			w.sup.watchFailed(w.explain(err))
		case <-timer.C:
			w.handOn(ctx, collected)
			clear(collected)
		}
	}
}

// explain says what a lost event means.
func (w *fileWatch) explain(err error) error {
	if errors.Is(err, fsnotify.ErrEventOverflow) {
		return fmt.Errorf("too many files changed at once: some changes were missed (%w)", err)
	}
	return fmt.Errorf("watch files: %w", err)
}

func (w *fileWatch) addRoots() {
	w.mu.Lock()
	roots := w.roots
	w.mu.Unlock()
	for _, root := range roots {
		if _, err := w.tree.add(root); err != nil {
			w.sup.watchFailed(err)
			return
		}
	}
	w.reportFull()
}

// reportFull says once that not everything is watched.
func (w *fileWatch) reportFull() {
	if w.tree.full {
		w.tree.full = false
		w.sup.watchFailed(fmt.Errorf("more than %d directories: changes in the others are not seen", maxTreeDirs))
	}
}

// collect notes what an event says and reports whether it was anything.
func (w *fileWatch) collect(into map[string]change, e fsnotify.Event) bool {
	if ignored(filepath.Base(e.Name)) || e.Op == fsnotify.Chmod {
		return false
	}
	if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
		if w.tree.dirs[e.Name] {
			w.tree.remove(e.Name)
			return false
		}
	}
	if w.tree.dirs[e.Name] {
		return false // its entries have events of their own
	}
	if e.Has(fsnotify.Create) {
		// A directory may have got entries before it was watched. The path of a file is walked too, and is its only entry.
		existed := w.tree.files[e.Name]
		seen, err := w.tree.add(e.Name)
		if err != nil {
			w.sup.watchFailed(err)
		}
		w.reportFull()
		for _, path := range seen {
			note(into, change{path, false})
		}
		if !existed {
			return len(seen) > 0
		}
	}
	note(into, change{e.Name, w.tree.files[e.Name]})
	return true
}

// note keeps the first thing known about a path in this group.
func note(into map[string]change, c change) {
	if _, known := into[c.path]; !known {
		into[c.path] = c
	}
}

// handOn tells every function what has changed for it, and reads the manifests again if one of them may have changed.
func (w *fileWatch) handOn(ctx context.Context, collected map[string]change) {
	units := w.sup.all()
	manifest := false
	for _, c := range collected {
		if isManifest(c.path) {
			manifest = true
			if w.isOrigin(units, c.path) {
				continue
			}
		}
		for _, u := range owners(units, c.path) {
			u.fileChanged(c)
		}
	}
	if manifest && w.sup.cfg.Reload != nil {
		w.reload(ctx)
	}
}

// reload applies the manifests as they are now, or says why they cannot be.
func (w *fileWatch) reload(ctx context.Context) {
	functions, err := w.sup.cfg.Reload(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		w.sup.cfg.OnEvent(Event{Time: time.Now(), Kind: EventReloadError, Text: err.Error()})
	default:
		w.sup.Apply(functions)
	}
}

func isManifest(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".yaml" || ext == ".yml"
}

// isOrigin reports whether a function was read from a file: then what is in it decides, not that it was written.
func (w *fileWatch) isOrigin(units []*unit, path string) bool {
	for _, u := range units {
		if abs, err := filepath.Abs(u.newest().Origin.File); err == nil && abs == path {
			return true
		}
	}
	return false
}

// owners are the functions that a file belongs to: of those in the nearest directory above it, the ones whose command names
// it, or all if none does.
func owners(units []*unit, path string) []*unit {
	var nearest, namers []*unit
	depth := -1
	for _, u := range units {
		fn := u.newest()
		switch dir := fn.Origin.Dir; {
		case !within(path, dir) || len(dir) < depth:
			continue
		case len(dir) > depth:
			nearest, namers, depth = nil, nil, len(dir)
		}
		nearest = append(nearest, u)
		if named(fn, path) {
			namers = append(namers, u)
		}
	}
	if len(namers) > 0 {
		return namers
	}
	return nearest
}

// newest returns the version that shall serve.
func (u *unit) newest() *function.Function {
	u.mu.Lock()
	defer u.release()
	return u.setup.newest
}

// fileChanged sets the function up again if the file matters to it.
func (u *unit) fileChanged(c change) {
	u.mu.Lock()
	defer u.release()
	yes, muted := u.setup.changes.relevant(u.setup.newest, c, time.Now())
	if muted {
		text := c.path + " changes again and again: it restarts nothing any more until the manifest changes"
		u.tell(Event{Kind: EventMuted, Text: text})
	}
	if yes {
		u.setup.files = true
		u.look()
	}
}

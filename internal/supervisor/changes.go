package supervisor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelton-dev/pelton/internal/function"
)

// A file that restarts its function more often than this is written by the function itself, and restarts nothing any more.
const (
	muteAfter  = 4
	muteWindow = 10 * time.Second
)

// clockSlack covers the coarse clock of file times, which may be behind.
const clockSlack = 20 * time.Millisecond

// change is a file that was written, made or removed.
type change struct {
	path    string
	existed bool // it was there before
}

// changes decides which changed files are reasons to restart a function. It must not mistake what a build or the handler
// itself writes for an edit, which would restart the function for ever. Guarded by unit.mu.
type changes struct {
	building bool
	builds   int
	begun    time.Time // of the last build
	ended    time.Time
	suspects map[string]int  // written during that build; by the next one too, and they are outputs
	outputs  map[string]bool // written by builds
	restarts map[string][]time.Time
	muted    map[string]bool
}

func newChanges() changes {
	return changes{
		suspects: map[string]int{}, outputs: map[string]bool{}, restarts: map[string][]time.Time{}, muted: map[string]bool{},
	}
}

func (c *changes) buildBegins(at time.Time) {
	c.building, c.begun = true, at
	c.builds++
}

func (c *changes) buildEnds(at time.Time) { c.building, c.ended = false, at }

func (c *changes) mutedPaths() []string {
	var paths []string
	for p := range c.muted {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// relevant reports whether a change is a reason to set the function up again, and whether the file was muted just now.
func (c *changes) relevant(fn *function.Function, ch change, now time.Time) (yes, mutedNow bool) {
	if c.muted[ch.path] || !isSource(fn, ch) || c.fromBuild(ch) {
		return false, false
	}
	times := c.restarts[ch.path]
	for len(times) > 0 && now.Sub(times[0]) > muteWindow {
		times = times[1:]
	}
	c.restarts[ch.path] = append(times, now)
	if len(c.restarts[ch.path]) > muteAfter {
		c.muted[ch.path] = true
		return false, true
	}
	return true, false
}

// fromBuild reports whether a change is a build's doing: the file is new or a program, or two builds in a row wrote it. The
// first time, a file of another kind counts as edited during the build, which costs one build more.
func (c *changes) fromBuild(ch change) bool {
	if !c.duringBuild(ch.path) {
		return false
	}
	suspected := c.suspects[ch.path]
	if c.outputs[ch.path] || !ch.existed || isProgram(ch.path) || (suspected > 0 && suspected == c.builds-1) {
		c.outputs[ch.path] = true
		return true
	}
	c.suspects[ch.path] = c.builds
	return suspected == c.builds // another build follows already
}

// duringBuild reports whether a file was written while a build ran. The time of the file says so even when we hear of it
// late.
func (c *changes) duringBuild(path string) bool {
	if c.begun.IsZero() || c.building {
		return c.building
	}
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	t := info.ModTime()
	return !t.Before(c.begun.Add(-clockSlack)) && !t.After(c.ended)
}

// isProgram reports whether a file is executable and not a script.
func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && !looksLikeCode(path)
}

// isSource reports whether a function's handler may depend on a file. A new file must look like code; one that was there
// when we came must not look like data.
func isSource(fn *function.Function, ch change) bool {
	return named(fn, ch.path) || looksLikeCode(ch.path) || (ch.existed && !looksLikeData(ch.path))
}

// named reports whether a function's command names a file.
func named(fn *function.Function, path string) bool {
	for _, arg := range fn.Spec.Handler.Command {
		if !filepath.IsAbs(arg) {
			arg = filepath.Join(fn.Origin.Dir, arg)
		}
		if filepath.Clean(arg) == path {
			return true
		}
	}
	return false
}

// looksLikeCode goes by a file's extension.
func looksLikeCode(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".go", ".py", ".js", ".mjs", ".cjs", ".ts", ".mts", ".jsx", ".tsx", ".sh", ".bash", ".rb", ".php", ".pl",
		".lua", ".rs", ".c", ".h", ".cc", ".cpp", ".hpp", ".java", ".kt", ".scala", ".clj", ".ex", ".exs", ".erl", ".hs",
		".ml", ".cs", ".fs", ".swift", ".dart", ".zig", ".nim", ".cr", ".jl", ".r", ".awk", ".sql", ".proto", ".wasm",
		".jar":
		return true
	}
	return false
}

// looksLikeData goes by a file's extension, or a log's or database's habit of adding to it.
func looksLikeData(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".log", ".out", ".pid", ".lock", ".db", ".db-wal", ".db-shm", ".db-journal", ".sqlite", ".sqlite3",
		".sqlite-wal", ".sqlite-shm", ".sqlite3-wal", ".sqlite3-shm", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet",
		".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tiff", ".svg", ".pdf", ".mp3", ".mp4", ".wav", ".zip", ".gz",
		".tar", ".zst", ".bin", ".dat", ".pyc":
		return true
	}
	return false
}

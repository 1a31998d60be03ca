package cli

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pelton-dev/pelton/internal/testenv"
)

// TestREADME executes the README: every line of every ```sh block, in order, in a copy of the repository's examples, with a
// real pelton up. A block that begins `pelton up` (or `go run ./cmd/pelton up`) starts it; the blocks after it talk to it.
//
// The test binary stands for pelton and for `nats pub`. Lines marked `# not in the test` are for people.
func TestREADME(t *testing.T) {
	testenv.Need(t, "git", "curl", "python3", "node")
	root := copyTree(t, filepath.Join("..", ".."))
	data, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := shellLines(string(data))
	if len(lines) == 0 {
		t.Fatal("README.md has no sh block")
	}
	needPorts(t, "4222", "8080")
	r := newReader(t, root)
	defer r.stop()
	for _, line := range lines {
		r.execute(line)
	}
	for _, promise := range promises {
		r.await(promise)
	}
}

// promises are the lines of the first terminal that the README tells of.
var promises = []string{
	`hello +\S+ +done .*\n(.*\n)*.*hello +\S+ +done .*\n(.*\n)*.*hello +\S+ +done `, // three ways to publish
	`thumbnails +\S+ +done `,
	`validate +\S+ +dead .*rejected`,
	`charge +\S+ +retry +1/`,
	`notify +\S+ +done `,
	`always-fails +\S+ +dead +3/3 `,
}

// needPorts skips the test on a developer's machine where something else has the ports of the README. CI must have them.
func needPorts(t *testing.T, ports ...string) {
	t.Helper()
	for _, port := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			testenv.Lacks(t, fmt.Sprintf("port %s of the README is in use: %v", port, err))
		}
		_ = l.Close()
	}
}

// copyTree copies the repository, as the README's commands write into it. Only what git would keep is copied.
func copyTree(t *testing.T, from string) string {
	t.Helper()
	files, err := exec.Command("git", "-C", from, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatalf("list files: %v", err)
	}
	to := t.TempDir()
	for name := range strings.SplitSeq(strings.TrimRight(string(files), "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join(from, name))
		if err != nil {
			continue // deleted and not committed yet
		}
		data, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, info.Mode().Perm())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// shellLines returns the commands of the sh blocks. A line that ends in a backslash goes on.
func shellLines(text string) []string {
	var lines []string
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		joined := strings.ReplaceAll(block[1], "\\\n", " ")
		for line := range strings.Lines(joined) {
			line = strings.TrimSpace(line)
			if line != "" && !strings.HasPrefix(line, "#") && !strings.Contains(line, "# not in the test") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// reader does what a person does who follows the README.
type reader struct {
	t   *testing.T
	dir string   // of the repository
	env []string // with pelton and nats on the PATH
	up  *exec.Cmd
	out *terminal
}

// terminal keeps what pelton up writes while it runs.
type terminal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *terminal) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// await waits until pelton up has written something that matches.
func (r *reader) await(pattern string) {
	r.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !re.MatchString(r.out.String()) {
		if time.Now().After(deadline) {
			r.t.Errorf("pelton up does not write what the README promises: %s", pattern)
			return
		}
		<-tick.C
	}
}

func newReader(t *testing.T, root string) *reader {
	t.Helper()
	bin := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pelton", "nats"} {
		if err := os.Symlink(self, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	state := filepath.Join(t.TempDir(), "state")
	env := append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "PELTON_STATE_DIR="+state)
	return &reader{t: t, dir: root, env: env, out: &terminal{}}
}

func (r *reader) execute(line string) {
	r.t.Helper()
	// The pelton of the test stands for the one that go run would build: the same code, without building it again.
	line = strings.ReplaceAll(line, "go run ./cmd/pelton", "pelton")
	switch {
	case strings.HasPrefix(line, "pelton up"):
		r.start(line)
	case strings.HasPrefix(line, "go test"), strings.HasPrefix(line, "git clone"), strings.HasPrefix(line, "cd pelton"),
		strings.HasPrefix(line, "go install"), strings.HasPrefix(line, "task "):
		r.t.Logf("left out: %s", line)
	default:
		r.runLine(line)
	}
}

// start runs pelton up until the end of the test and waits until it serves.
func (r *reader) start(line string) {
	r.t.Helper()
	r.stop()
	r.up = r.command("exec " + line)
	r.up.Stdout, r.up.Stderr = r.out, r.out
	if err := r.up.Start(); err != nil {
		r.t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		resp, err := http.Get("http://127.0.0.1:8080/")
		if err == nil {
			_ = resp.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			r.stop()
			r.t.Fatalf("%s: does not serve: %v\n%s", line, err, r.out)
		}
		<-tick.C
	}
}

func (r *reader) runLine(line string) {
	r.t.Helper()
	out, err := r.command(line).CombinedOutput()
	r.t.Logf("$ %s\n%s", line, out)
	if err != nil {
		r.t.Errorf("%s: %v", line, err)
	}
}

func (r *reader) command(line string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir, cmd.Env = r.dir, r.env
	return cmd
}

// stop ends pelton up as Ctrl-C does and shows what it has said.
func (r *reader) stop() {
	if r.up == nil {
		return
	}
	_ = r.up.Process.Signal(syscall.SIGINT)
	err := r.up.Wait()
	r.up = nil
	if err != nil {
		r.t.Errorf("pelton up: %v", err)
	}
	r.t.Logf("pelton up said:\n%s", r.out)
}

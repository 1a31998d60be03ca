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
	"syscall"
	"testing"
	"time"
)

// TestREADME executes the README: every line of every ```sh block, in order, in a copy of the repository's examples, with a
// real pelton up. A block that begins `pelton up` (or `go run ./cmd/pelton up`) starts it; the blocks after it talk to it.
//
// The test binary stands for pelton and for `nats pub`. Lines marked `# not in the test` are for people.
func TestREADME(t *testing.T) {
	root := filepath.Join("..", "..")
	data, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := shellLines(string(data))
	if len(lines) == 0 {
		t.Fatal("README.md has no sh block")
	}
	for _, port := range []string{"4222", "8080"} {
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err != nil {
			t.Skipf("port %s of the README is in use on this machine: %v", port, err)
		} else {
			_ = l.Close()
		}
	}
	r := newReader(t, root)
	defer r.stop()
	for _, line := range lines {
		r.execute(line)
	}
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
	out *bytes.Buffer
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
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(t.TempDir(), "state")
	env := append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "PELTON_STATE_DIR="+state)
	return &reader{t: t, dir: dir, env: env, out: &bytes.Buffer{}}
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
	r.t.Log(fmt.Sprintf("pelton up said:\n%s", r.out))
}

package bundle

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// ignoreFile is the file in a function's folder that lists what does not go into its image.
const ignoreFile = ".peltonignore"

// pattern is one line of it.
type pattern struct {
	segments []string // of a path, each as path.Match takes it, or ** for any number of folders
	dirOnly  bool
	anywhere bool // it has no slash: any name in any folder
}

// readIgnore reads the patterns of a folder. Without the file there are none.
func readIgnore(dir string) ([]pattern, error) {
	file := filepath.Join(dir, ignoreFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	var patterns []pattern
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		p, err := parsePattern(line)
		if err != nil {
			at := fmt.Sprintf("%s:%d: %q", file, n, line)
			return nil, &Error{Message: at, Cause: err, Hint: "write for example *.log, out/ or /data"}
		}
		patterns = append(patterns, p)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return patterns, nil
}

func parsePattern(line string) (pattern, error) {
	if strings.HasPrefix(line, "!") {
		return pattern{}, errors.New("exceptions are not in this version: name the file with --with")
	}
	trimmed := strings.TrimSuffix(line, "/")
	p := pattern{dirOnly: trimmed != line, anywhere: !strings.Contains(trimmed, "/")}
	p.segments = strings.Split(strings.TrimPrefix(trimmed, "/"), "/")
	for _, segment := range p.segments {
		if segment == "" || segment == "." || segment == ".." {
			return pattern{}, errors.New("want names with single slashes between them")
		}
		if _, err := path.Match(segment, ""); err != nil {
			return pattern{}, err
		}
	}
	return p, nil
}

// matches reports whether the pattern names a path below the function's folder.
func (p pattern) matches(name string, dir bool) bool {
	if p.dirOnly && !dir {
		return false
	}
	if p.anywhere {
		matched, _ := path.Match(p.segments[0], path.Base(name))
		return matched
	}
	return matchSegments(p.segments, strings.Split(name, "/"))
}

func matchSegments(want, have []string) bool {
	for len(want) > 0 {
		if want[0] == "**" {
			for i := range len(have) + 1 {
				if matchSegments(want[1:], have[i:]) {
					return true
				}
			}
			return false
		}
		if len(have) == 0 {
			return false
		}
		if matched, _ := path.Match(want[0], have[0]); !matched {
			return false
		}
		want, have = want[1:], have[1:]
	}
	return len(have) == 0
}

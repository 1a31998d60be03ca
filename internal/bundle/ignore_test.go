package bundle

import "testing"

func TestPatterns(t *testing.T) {
	t.Parallel()
	for line, names := range map[string]map[string]bool{
		"*.log":        {"a.log": true, "x/y/b.log": true, "a.log.txt": false},
		"out/":         {"out/": true, "x/out/": true, "out": false},
		"/data":        {"data": true, "data/": true, "x/data": false},
		"x/*.txt":      {"x/a.txt": true, "y/x/a.txt": false, "x/y/a.txt": false},
		"**/test/*":    {"test/a": true, "a/b/test/c": true, "a/test": false},
		"docs/**":      {"docs/a": true, "docs/a/b": true, "x/docs/a": false},
		"a/**/z":       {"a/z": true, "a/b/c/z": true, "a/b": false},
		"file[0-9].py": {"file1.py": true, "fileX.py": false},
	} {
		p, err := parsePattern(line)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range names {
			dir := name[len(name)-1] == '/'
			bare := name
			if dir {
				bare = name[:len(name)-1]
			}
			if got := p.matches(bare, dir); got != want {
				t.Errorf("%q matches %q: %v", line, name, got)
			}
		}
	}
	for _, line := range []string{"!a", "a//b", "../a", "[a", "/"} {
		if _, err := parsePattern(line); err == nil {
			t.Errorf("%q is taken", line)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("**/*.log", "a/b.log")
	f.Add("a/**/b/**", "a/x/b/c")
	f.Fuzz(func(t *testing.T, line, name string) {
		p, err := parsePattern(line)
		if err == nil && len(p.segments) == 0 {
			t.Errorf("%q is a pattern of nothing", line)
		}
		if err == nil && len(line) < 100 && len(name) < 100 {
			p.matches(name, false)
		}
	})
}

package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
)

// TestLinks follows every link between our pages and to files of the repository.
func TestLinks(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	followed := 0
	for _, page := range append(pages, "../README.md") {
		for _, m := range link.FindAllStringSubmatch(text(t, page), -1) {
			target := filepath.Join(filepath.Dir(page), m[1])
			if m[1] == "" {
				target = page
			}
			if strings.Contains(m[1], "://") {
				continue
			}
			followed++
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			} else if m[2] != "" && !hasHeading(t, target, strings.TrimPrefix(m[2], "#")) {
				t.Errorf("%s links to %s%s: there is no such heading", page, m[1], m[2])
			}
		}
	}
	if followed < 10 {
		t.Errorf("%d links were found", followed)
	}
}

// TestEveryPageIsLinked: a page that nothing leads to is read by nobody.
func TestEveryPageIsLinked(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("docs/*")
	if err != nil {
		t.Fatal(err)
	}
	linked := map[string]bool{}
	for _, page := range append(pages, "../README.md", "../CONTRIBUTING.md") {
		for _, m := range link.FindAllStringSubmatch(text(t, page), -1) {
			linked[absolute(t, filepath.Join(filepath.Dir(page), m[1]))] = true
		}
	}
	for _, page := range pages {
		if !linked[absolute(t, page)] {
			t.Errorf("nothing links to %s", page)
		}
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func hasHeading(t *testing.T, page, anchor string) bool {
	t.Helper()
	for _, m := range heading.FindAllStringSubmatch(text(t, page), -1) {
		if slug(m[1]) == anchor {
			return true
		}
	}
	return false
}

// slug is what a heading is linked by: lower case, without punctuation, with - for spaces.
func slug(title string) string {
	kept := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(title), "")
	return strings.ReplaceAll(kept, " ", "-")
}

// text is a page without its code.
func text(t *testing.T, page string) string {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return fence.ReplaceAllString(string(data), "")
}

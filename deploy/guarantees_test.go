package deploy

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const guarantees = "docs/guarantees.md"

var (
	namedTest   = regexp.MustCompile("`(Test[A-Z][A-Za-z0-9]*)`")
	writtenTest = regexp.MustCompile(`(?m)^func (Test[A-Z][A-Za-z0-9]*)\(t \*testing\.T\)`)
	matrixRow   = regexp.MustCompile(`(?m)^\| F\d\d \|.*$`)
)

// TestGuaranteesNameTestsThatExist: a page that says what proves a promise must not go on saying so when a test is renamed.
func TestGuaranteesNameTestsThatExist(t *testing.T) {
	t.Parallel()
	there, named := testsOfTheModule(t), 0
	for _, m := range namedTest.FindAllStringSubmatch(whole(t, guarantees), -1) {
		named++
		if !there[m[1]] {
			t.Errorf("%s names %s: there is no such test", guarantees, m[1])
		}
	}
	if named < 100 {
		t.Errorf("%s names %d tests: they are not found", guarantees, named)
	}
}

// TestMatrixIsWhole: each fault has its row, in order, and each row says what shows it or that nothing does.
func TestMatrixIsWhole(t *testing.T) {
	t.Parallel()
	const faultsOfTheMatrix = 62
	rows := matrixRow.FindAllString(whole(t, guarantees), -1)
	if len(rows) != faultsOfTheMatrix {
		t.Errorf("%d rows, want %d", len(rows), faultsOfTheMatrix)
	}
	for i, row := range rows {
		cells := strings.Split(strings.Trim(row, "|"), " | ")
		if want := fmt.Sprintf("F%02d", i+1); len(cells) != 4 || strings.TrimSpace(cells[0]) != want {
			t.Errorf("row %d is %q, want four cells, the first of them %s", i+1, row, want)
			continue
		}
		if shown := cells[3]; namedTest.FindString(shown) == "" && !strings.Contains(shown, "Not shown") {
			t.Errorf("%s names no test, and does not say that it is not shown", cells[0])
		}
	}
}

// testsOfTheModule finds every test by its declaration.
func testsOfTheModule(t *testing.T) map[string]bool {
	t.Helper()
	there := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules"):
			return filepath.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			for _, m := range writtenTest.FindAllStringSubmatch(whole(t, path), -1) {
				there[m[1]] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return there
}

// whole is a file with all that is in it, also its blocks of code.
func whole(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

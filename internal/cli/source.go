package cli

import (
	"os"
	"path/filepath"
	"runtime"
)

// sourceDir is the folder of pelton's own source, if this program was built from one that is still there. A function made
// by a development build requires the source itself: no proxy has that version.
func sourceDir() string {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		return "" // built with -trimpath
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return ""
	}
	return root
}

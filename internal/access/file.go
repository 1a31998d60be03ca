package access

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"go.uber.org/zap"
)

// maxFile bounds a file: 10,000 callers take a tenth of it.
const maxFile = 8 << 20

// file is one that is read again and again. It is not waited for the file system to tell of changes: a secret volume swaps
// links, other file systems tell nothing.
type file struct {
	kind, path string
	use        func(text []byte) error

	used []byte // what holds now
	told string // what was last told to be wrong with what is there
}

// open reads the file for the first time.
func (f *file) open(m *metrics) error {
	if err := f.read(m); err != nil {
		return fmt.Errorf("read %s %s: %w", f.kind, f.path, err)
	}
	return nil
}

// look takes what is new, and tells once of what cannot be used.
func (f *file) look(log *zap.Logger, m *metrics) {
	before := f.used
	err := f.read(m)
	switch {
	case err == nil && !bytes.Equal(before, f.used):
		log.Info("access file is new", zap.String("kind", f.kind), zap.String("path", f.path))
	case err != nil && err.Error() != f.told:
		log.Error("access file cannot be used, what it said before holds", zap.String("kind", f.kind), zap.String("path", f.path),
			zap.Error(err))
	}
	f.told = ""
	if err != nil {
		f.told = err.Error()
	}
}

func (f *file) read(m *metrics) error {
	text, err := readFile(f.path)
	if err == nil && (f.used == nil || !bytes.Equal(text, f.used)) {
		if err = f.use(text); err == nil {
			f.used = text
			m.loads.WithLabelValues(f.kind).Inc()
		}
	}
	broken := 0.0
	if err != nil {
		broken = 1
	}
	m.broken.WithLabelValues(f.kind).Set(broken)
	return err
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return append([]byte{}, text...), err
}

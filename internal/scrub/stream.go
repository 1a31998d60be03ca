package scrub

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/highwayhash"
	"github.com/nats-io/nats-server/v2/server/avl"
)

// streamScan is one stream, read.
type streamScan struct {
	name   string
	dir    string
	index  *index // nil: none that can be believed
	clean  bool   // the index is of the very end of the files
	blocks []*block
	live   avl.SequenceSet // messages that can be read
	gone   avl.SequenceSet // that are known to be deleted
	report *Report
}

func scanStream(dir string, report *Report) (*streamScan, error) {
	s := &streamScan{name: filepath.Base(dir), dir: dir, report: report}
	s.checkMeta()
	var err error
	if s.index, err = readIndex(s.name, s.path(indexName)); err != nil && !errors.Is(err, errNoIndex) {
		s.damage(Damage{File: s.path(indexName), What: "the index is damaged: the server makes it again"})
	}
	files, err := s.files()
	if err != nil {
		return nil, err
	}
	s.clean = s.index != nil && len(files) > 0 && files[len(files)-1].number == s.index.lastBlock &&
		files[len(files)-1].tail() == s.index.tail
	for _, f := range files {
		b, err := s.scanBlock(f.path, f.number)
		if err != nil {
			return nil, err
		}
		s.blocks = append(s.blocks, b)
		report.Bytes += int64(b.size)
	}
	return s, nil
}

// blockFile is the file of a block that was not read yet.
type blockFile struct {
	number int
	path   string
}

// files lists the blocks in order.
func (s *streamScan) files() ([]blockFile, error) {
	paths, err := filepath.Glob(s.path("*.blk"))
	if err != nil {
		return nil, fmt.Errorf("list blocks: %w", err)
	}
	var files []blockFile
	for _, path := range paths {
		if number, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), ".blk")); err == nil {
			files = append(files, blockFile{number, path})
		}
	}
	slices.SortFunc(files, func(a, b blockFile) int { return cmp.Compare(a.number, b.number) })
	return files, nil
}

// tail is how the file ends. One that cannot be read ends with zeros: reading all of it will say why.
func (f blockFile) tail() (end [hashSize]byte) {
	file, err := os.Open(f.path)
	if err != nil {
		return end
	}
	defer func() { _ = file.Close() }()
	if size, err := file.Seek(0, io.SeekEnd); err == nil && size >= hashSize {
		_, _ = file.ReadAt(end[:], size-hashSize)
	}
	return end
}

func (s *streamScan) path(name string) string { return filepath.Join(s.dir, "msgs", name) }

func (s *streamScan) newest() *block { return s.blocks[len(s.blocks)-1] }

func (s *streamScan) damage(d Damage) {
	d.Stream = s.name
	s.report.Damages = append(s.report.Damages, d)
}

// checkMeta looks at the settings of the stream. The server passes over a stream of which they are damaged.
func (s *streamScan) checkMeta() {
	meta, err := os.ReadFile(filepath.Join(s.dir, "meta.inf"))
	sum, err2 := os.ReadFile(filepath.Join(s.dir, "meta.sum"))
	key := sha256.Sum256([]byte(s.name))
	h, err3 := highwayhash.New64(key[:])
	if err = errors.Join(err, err2, err3); err == nil {
		_, _ = h.Write(meta)
		if hex.EncodeToString(h.Sum(nil)) == strings.TrimSpace(string(sum)) {
			return
		}
	}
	s.damage(Damage{File: filepath.Join(s.dir, "meta.inf"), What: "the settings of the stream are damaged: the server does not open it. " +
		"Its messages are there, and are again once a stream of that name is made; Pelton makes its own"})
}

// judge compares what can be read with what must be there, and mends what the server would stumble over.
func (s *streamScan) judge(aside string) error {
	for i, b := range s.blocks {
		if b.sealed {
			s.report.Unread = append(s.report.Unread, b.path)
			continue
		}
		lost := s.lostIn(i)
		marks, rest := b.assign(lost)
		torn := len(b.holes) == 1 && b.holes[0].torn && len(lost) == 0 && b == s.newest()
		if torn || len(b.holes) == 0 && len(lost) == 0 {
			continue // at most a write that was never acknowledged: the server cuts it off
		}
		if s.index != nil && b == s.newest() && s.index.last > b.last {
			rest = max(rest, s.index.last) // the last may have been deleted: its number is not to be given again either
		}
		d := Damage{File: b.path, What: what(b, rest), Lost: lost, Subjects: b.subjects()}
		err := s.mend(b, marks, rest, aside)
		d.Mended = err == nil
		s.damage(d)
		if err != nil {
			return err
		}
	}
	return s.missingBlocks()
}

func what(b *block, rest uint64) string {
	switch {
	case len(b.holes) > 0 && b.holes[len(b.holes)-1].torn:
		return "the file is cut off or damaged up to its end"
	case len(b.holes) > 0:
		return "damaged in " + places(len(b.holes))
	default:
		return fmt.Sprintf("the file is cut off: messages up to %d are not in it", rest)
	}
}

// lostIn lists the messages of a block that cannot be read any more and were not deleted.
func (s *streamScan) lostIn(i int) []uint64 {
	b := s.blocks[i]
	var lost avl.SequenceSet
	known := uint64(0) // up to here the index knows
	if s.index != nil {
		known = s.index.last
		for _, e := range s.index.extents {
			if e.number == b.number {
				s.missing(b, e, &lost)
			}
		}
	}
	for n, gap := range b.holes {
		from, to := s.around(i, n)
		if to == 0 && !gap.torn && !s.clean {
			to = from + 2 // it is the very last, and whole
		}
		for seq := max(from, known) + 1; seq < to && !gap.empty; seq++ {
			s.add(&lost, seq)
		}
	}
	var list []uint64
	lost.Range(func(seq uint64) bool { list = append(list, seq); return true })
	return list
}

// missing adds what the index says is in the block. An index that is not of the very end may be older than deletions that left
// no trace: then only what lies at the damage counts.
func (s *streamScan) missing(b *block, e extent, lost *avl.SequenceSet) {
	from := e.first
	if !s.clean && len(b.holes) == 0 {
		from = max(from, b.last+1)
	}
	if !s.clean && len(b.holes) > 0 && b.holes[0].begin > 0 {
		from = max(from, b.first)
	}
	for seq := from; seq <= e.last && seq > 0; seq++ {
		if !e.deleted.Exists(seq) {
			s.add(lost, seq)
		}
	}
}

func (s *streamScan) add(lost *avl.SequenceSet, seq uint64) {
	if !s.live.Exists(seq) && !s.gone.Exists(seq) {
		lost.Insert(seq)
	}
}

// around returns the sequences before and after a hole. One at the beginning or the end of a block looks into its neighbours;
// where there is none, nothing is known: to is 0.
func (s *streamScan) around(i, n int) (from, to uint64) {
	gap := s.blocks[i].holes[n]
	from, to = gap.after, gap.before
	for k := i - 1; from == 0 && k >= 0; k-- {
		from = s.blocks[k].last
	}
	for k := i + 1; to == 0 && k < len(s.blocks); k++ {
		to = s.blocks[k].first
	}
	if from == 0 {
		from = max(to, 1) - 1 // the messages before may have been deleted with their files
	}
	return from, to
}

// assign says which holes get a mark with which sequence, and which sequence lies behind the end of the block.
func (b *block) assign(lost []uint64) (marks map[int]uint64, rest uint64) {
	marks = map[int]uint64{}
	for _, seq := range lost {
		n := slices.IndexFunc(b.holes, func(g hole) bool { return seq > g.after && (g.before == 0 || seq < g.before) })
		if n >= 0 {
			marks[n] = seq
		} else if seq > b.last {
			rest = seq
		}
	}
	return marks, rest
}

func (b *block) subjects() (list []string) {
	for _, gap := range b.holes {
		if gap.subject != "" && !slices.Contains(list, gap.subject) {
			list = append(list, gap.subject)
		}
	}
	return list
}

// missingBlocks reports files that the index names and that are not there.
func (s *streamScan) missingBlocks() error {
	if s.index == nil {
		return nil
	}
	for _, e := range s.index.extents {
		there := slices.ContainsFunc(s.blocks, func(b *block) bool { return b.number == e.number })
		// An old index also names files that were deleted since, from the front.
		if there || !s.clean && len(s.blocks) > 0 && (e.number < s.blocks[0].number || s.newest().number > e.number) {
			continue
		}
		var lost avl.SequenceSet
		for seq := e.first; seq <= e.last && seq > 0; seq++ {
			if !e.deleted.Exists(seq) {
				s.add(&lost, seq)
			}
		}
		if lost.IsEmpty() {
			continue
		}
		d := Damage{File: s.path(strconv.Itoa(e.number) + ".blk"), What: "the file is missing"}
		lost.Range(func(seq uint64) bool { d.Lost = append(d.Lost, seq); return true })
		err := s.replaceMissing(d.File, e)
		d.Mended = err == nil
		s.damage(d)
		if err != nil {
			return err
		}
	}
	return nil
}

func places(n int) string {
	if n == 1 {
		return "one place"
	}
	return fmt.Sprintf("%d places", n)
}

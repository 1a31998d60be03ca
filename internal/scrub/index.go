package scrub

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/minio/highwayhash"
	"github.com/nats-io/nats-server/v2/server/avl"
)

const (
	indexName    = "index.db"
	indexMagic   = 11
	indexOldest  = 1
	indexNewest  = 4
	indexMinSize = 32
)

// extent is what the index says of one block.
type extent struct {
	number      int
	first, last uint64
	deleted     *avl.SequenceSet
}

// index is what the server has noted of a stream, at its last stop or up to some minutes ago.
type index struct {
	last      uint64
	subjects  map[string]bool
	extents   []extent
	lastBlock int            // the last when it was written
	tail      [hashSize]byte // how that ended
}

// live reports whether the index has a message for a sequence.
func (i *index) live(seq uint64) bool {
	return slices.ContainsFunc(i.extents, func(e extent) bool {
		return e.first <= seq && seq <= e.last && !e.deleted.Exists(seq)
	})
}

var (
	errNoIndex  = errors.New("there is none")
	errBadIndex = errors.New("its checksum is wrong")
)

// readIndex reads the index of a stream. An error says that there is none that can be believed.
func readIndex(stream, path string) (*index, error) {
	buf, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNoIndex
	}
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	key := sha256.Sum256([]byte(stream))
	if len(buf) < indexMinSize {
		return nil, errBadIndex
	}
	body, sum := buf[:len(buf)-highwayhash.Size64], buf[len(buf)-highwayhash.Size64:]
	h, err := highwayhash.New64(key[:])
	if err != nil {
		return nil, fmt.Errorf("make hash: %w", err)
	}
	_, _ = h.Write(body)
	if !bytes.Equal(h.Sum(nil), sum) || body[0] != indexMagic || body[1] < indexOldest || body[1] > indexNewest {
		return nil, errBadIndex
	}
	c := &cursor{buf: body[2:], version: body[1]}
	x := c.index()
	if c.broken {
		return nil, errBadIndex
	}
	return x, nil
}

// cursor reads numbers one after another. Once it is broken it reads zeros.
type cursor struct {
	buf     []byte
	version byte
	broken  bool
}

func (c *cursor) number() uint64 {
	v, n := binary.Uvarint(c.buf)
	c.skip(n)
	return v
}

func (c *cursor) skip(n int) {
	if n <= 0 || n > len(c.buf) {
		c.broken, c.buf = true, nil
		return
	}
	c.buf = c.buf[n:]
}

func (c *cursor) index() *index {
	x := &index{}
	c.number() // messages
	c.number() // bytes
	c.number() // first sequence
	c.number() // first time
	x.last = c.number()
	c.number() // last time
	x.subjects = c.subjects()
	for n := c.number(); n > 0 && !c.broken; n-- {
		x.extents = append(x.extents, c.extent())
	}
	x.lastBlock = int(c.number())
	if len(c.buf) < hashSize {
		c.broken = true
		return x
	}
	copy(x.tail[:], c.buf)
	return x
}

// subjects passes over how many messages there are on each.
func (c *cursor) subjects() map[string]bool {
	set := map[string]bool{}
	for n := c.number(); n > 0 && !c.broken; n-- {
		length := c.number()
		if length == 0 || length > uint64(len(c.buf)) {
			c.broken = c.broken || length > 0
			continue
		}
		set[string(c.buf[:length])] = true
		c.skip(int(length))
		total := c.number()
		c.number() // first block
		if total > 1 || c.version >= 4 {
			c.number() // last block
		}
	}
	return set
}

func (c *cursor) extent() extent {
	e := extent{number: int(c.number())}
	c.number() // bytes
	e.first = c.number()
	c.number() // first time
	e.last = c.number()
	c.number() // last time
	deleted := c.number()
	if c.version >= 2 {
		c.number() // that expire by themselves
	}
	if c.version >= 3 {
		c.number() // schedules
	}
	e.deleted = &avl.SequenceSet{}
	if deleted == 0 || c.broken {
		return e
	}
	set, n, err := avl.Decode(c.buf)
	if err != nil {
		c.broken = true
		return e
	}
	e.deleted = set
	c.skip(n)
	return e
}

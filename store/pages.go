package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"time"
)

// The layout of a bbolt file: pages of one size, each with a header of 16 bytes (its number, what it is, how many elements it has, how many pages
// follow that belong to it), and elements of 16 bytes that tell where keys and values lie. The first two pages are the meta pages, of which the
// newer valid one holds. All numbers are in the machine's own order.
const (
	headerSize, elementSize = 16, 16

	branchPage, leafPage, freelistPage = 1, 2, 16

	bucketElement = 1 // of a leaf: its value begins with the number of the bucket's root, 0 where the bucket follows in the value itself

	metaMagic, metaVersion = 0xED0CDAED, 2
	metaSummed             = 56 // bytes of a meta, after the page's header, that its checksum is about

	firstPage = 2
)

// root is what a valid meta page says.
type root struct {
	pageSize            int64
	root, freelist, end uint64 // page numbers; end is the first that is not used
	txid                uint64
}

// parseRoot reads a meta page, and tells whether it is valid.
func parseRoot(page []byte) (r root, ok bool) {
	if len(page) < headerSize+metaSummed+8 {
		return r, false
	}
	m, order := page[headerSize:], binary.NativeEndian
	sum := fnv.New64a()
	sum.Write(m[:metaSummed])
	r = root{int64(order.Uint32(m[8:])), order.Uint64(m[16:]), order.Uint64(m[32:]), order.Uint64(m[40:]), order.Uint64(m[48:])}
	return r, order.Uint32(m) == metaMagic && order.Uint32(m[4:]) == metaVersion && order.Uint64(m[metaSummed:]) == sum.Sum64() &&
		r.pageSize >= 1<<10 && r.pageSize <= 1<<24
}

// newestRoot finds what a file's newer valid meta page says.
func newestRoot(file io.ReaderAt) (newest root, ok bool) {
	page := make([]byte, headerSize+metaSummed+8)
	for at := int64(0); at <= 1<<24; at = max(1<<10, 2*at) { // the second page's place depends on the size, which only a valid page tells
		if n, _ := file.ReadAt(page, at); n < len(page) {
			break
		}
		r, valid := parseRoot(page)
		if valid && (at == 0 || at == r.pageSize) && (!ok || r.txid > newest.txid) {
			newest, ok = r, true
		}
	}
	return newest, ok
}

// pageCheck looks whether the pages of a file make sense. bbolt maps the file and trusts it: a number in it that points nowhere is a memory
// fault, and one that points back an endless loop. So nothing of a file that may be damaged is given to bbolt before this has been through.
type pageCheck struct {
	root
	file     io.ReaderAt
	shallow  bool   // what is in the buckets is left alone
	used     []bool // by page number
	done     int
	problems *problems
	progress func(done, total int)
	until    time.Time // when to leave off; zero for never
}

// checkPages goes through all pages that a root leads to. It reports whether it came to the end of them in time.
func checkPages(file io.ReaderAt, size int64, r root, p *problems, progress func(done, total int), until time.Time) bool {
	c := &pageCheck{root: r, file: file, problems: p, progress: progress, until: until}
	if !c.begin(size) {
		return true
	}
	c.tree(r.root, nil, nil)
	if c.late() {
		return false
	}
	if len(p.list) == 0 { // with a tree that does not make sense, nor does what is said to be free
		c.free()
	}
	return true
}

// probe looks at those pages only that bbolt reads when it opens a file.
func probe(file io.ReaderAt, size int64) error {
	r, valid := newestRoot(file)
	if !valid {
		return nil // bbolt says so
	}
	var p problems
	if c := (&pageCheck{root: r, file: file, problems: &p, shallow: true}); c.begin(size) {
		c.tree(r.root, nil, nil)
		c.freePages()
	}
	return Report{Problems: p.list, More: p.more}.Err()
}

// begin makes sure that all pages are there.
func (c *pageCheck) begin(size int64) bool {
	if c.end < firstPage || c.end > uint64(size/c.pageSize) {
		c.problems.add("the file is cut off: %d bytes of at least %d are there", size, c.end*uint64(c.pageSize))
		return false
	}
	c.used = make([]bool, c.end)
	c.used[0], c.used[1] = true, true
	return true
}

func (c *pageCheck) late() bool { return !c.until.IsZero() && time.Now().After(c.until) }

// page reads a page with those that belong to it; nil where it makes no sense. A page has one place in the tree.
func (c *pageCheck) page(id uint64) []byte {
	if id < firstPage || id >= c.end {
		c.problems.add("page %d is pointed to, and there are only %d", id, c.end)
		return nil
	}
	whole := make([]byte, c.pageSize)
	if _, err := c.file.ReadAt(whole, int64(id)*c.pageSize); err != nil {
		c.problems.add("page %d cannot be read: %v", id, err)
		return nil
	}
	more := uint64(binary.NativeEndian.Uint32(whole[12:]))
	if own := binary.NativeEndian.Uint64(whole); own != id || id+more >= c.end {
		c.problems.add("page %d does not make sense: it says that it is page %d, of %d", id, own, 1+more)
		return nil
	}
	for i := id; i <= id+more; i++ {
		if c.used[i] {
			c.problems.add("page %d is used twice", i)
			return nil
		}
		c.used[i] = true
	}
	if more > 0 {
		whole = append(whole, make([]byte, int64(more)*c.pageSize)...)
		if _, err := c.file.ReadAt(whole[c.pageSize:], int64(id+1)*c.pageSize); err != nil {
			c.problems.add("page %d cannot be read: %v", id, err)
			return nil
		}
	}
	if c.done += int(1 + more); c.progress != nil && c.done%256 < int(1+more) {
		c.progress(c.done, int(c.end))
	}
	return whole
}

// tree goes through a page and those below it, whose keys are to be from low to below high (nil: whatever they are).
func (c *pageCheck) tree(id uint64, low, high []byte) {
	if c.late() {
		return
	}
	page := c.page(id)
	if page == nil {
		return
	}
	switch kind := binary.NativeEndian.Uint16(page[8:]); kind {
	case branchPage:
		c.branch(id, page, low, high)
	case leafPage:
		c.leaf(id, page, low, high)
	default:
		c.problems.add("page %d is of no known kind (%#x)", id, kind)
	}
}

func (c *pageCheck) branch(id uint64, page, low, high []byte) {
	keys, at := c.keys(id, page, branchPage, low, high)
	if len(keys) == 0 {
		c.problems.add("page %d leads nowhere", id)
	}
	for i, key := range keys {
		below := high
		if i+1 < len(keys) {
			below = keys[i+1]
		}
		c.tree(binary.NativeEndian.Uint64(page[at[i]+8:]), key, below)
	}
}

func (c *pageCheck) leaf(id uint64, page, low, high []byte) {
	keys, at := c.keys(id, page, leafPage, low, high)
	for i := range keys {
		element := page[at[i]:]
		kind, value := binary.NativeEndian.Uint32(element), valueOf(element)
		switch {
		case kind == 0:
		case kind != bucketElement || len(value) < 16:
			c.problems.add("page %d: element %d is of no known kind", id, i)
		case c.shallow:
		case binary.NativeEndian.Uint64(value) != 0:
			c.tree(binary.NativeEndian.Uint64(value), nil, nil)
		case len(value) < 16+headerSize || binary.NativeEndian.Uint16(value[24:]) != leafPage:
			c.problems.add("page %d: the bucket of element %d does not make sense", id, i)
		default:
			c.leaf(id, value[16:], nil, nil)
		}
	}
}

// valueOf is the value of a leaf's element, which keys has found to be within its page.
func valueOf(element []byte) []byte {
	order := binary.NativeEndian
	from := uint64(order.Uint32(element[4:])) + uint64(order.Uint32(element[8:]))
	return element[from : from+uint64(order.Uint32(element[12:]))]
}

// keys are a page's keys, and where in the page each one's element is. Keys ascend; those of a page that makes no sense are none.
func (c *pageCheck) keys(id uint64, page []byte, kind int, low, high []byte) (keys [][]byte, at []int) {
	order, n := binary.NativeEndian, int(binary.NativeEndian.Uint16(page[10:]))
	if headerSize+n*elementSize > len(page) {
		c.problems.add("page %d has no room for the %d elements that it should have", id, n)
		return nil, nil
	}
	keys, at = make([][]byte, 0, n), make([]int, 0, n)
	for i := range n {
		start := headerSize + i*elementSize
		e := page[start:]
		pos, size, value := uint64(order.Uint32(e)), uint64(order.Uint32(e[4:])), uint64(0)
		if kind == leafPage {
			pos, size, value = uint64(order.Uint32(e[4:])), uint64(order.Uint32(e[8:])), uint64(order.Uint32(e[12:]))
		}
		if pos+size+value > uint64(len(e)) {
			c.problems.add("page %d: element %d lies outside of it", id, i)
			return nil, nil
		}
		key := e[pos : pos+size]
		if i == 0 && bytes.Compare(key, low) < 0 || i > 0 && bytes.Compare(key, keys[i-1]) <= 0 || high != nil && bytes.Compare(key, high) >= 0 {
			c.problems.add("page %d: the key of element %d is out of its order", id, i)
			return nil, nil
		}
		keys, at = append(keys, key), append(at, start)
	}
	return keys, at
}

// free looks whether every page is either used or free: one that is both will be written over, one that is neither is lost.
func (c *pageCheck) free() {
	ids, ok := c.freePages()
	if !ok {
		return
	}
	for ; len(ids) > 0; ids = ids[8:] {
		switch id := binary.NativeEndian.Uint64(ids); {
		case id < firstPage || id >= c.end:
			c.problems.add("page %d is said to be free, and there are only %d", id, c.end)
		case c.used[id]:
			c.problems.add("page %d is said to be free, and is used or said so twice", id)
		default:
			c.used[id] = true
		}
	}
	for id, used := range c.used {
		if !used {
			c.problems.add("page %d is neither used nor free", id)
		}
	}
}

// freePages are the numbers of the free pages, as they stand in the page that lists them.
func (c *pageCheck) freePages() (ids []byte, ok bool) {
	page := c.page(c.freelist)
	if page == nil {
		return nil, false
	}
	order := binary.NativeEndian
	ids, n := page[headerSize:], uint64(order.Uint16(page[10:]))
	if n == 0xFFFF { // too many for the header: the first number is their count
		n, ids = order.Uint64(ids), ids[8:]
	}
	if order.Uint16(page[8:]) != freelistPage || n > uint64(len(ids)/8) {
		c.problems.add("page %d should list the free pages, and does not make sense", c.freelist)
		return nil, false
	}
	return ids[:8*n], true
}

// mostProblems is how many problems are told; of a badly damaged store, the rest says no more.
const mostProblems = 200

// problems are things wrong in a store, a sentence each.
type problems struct {
	list []string
	more int
}

func (p *problems) add(format string, args ...any) {
	if len(p.list) == mostProblems {
		p.more++
		return
	}
	p.list = append(p.list, fmt.Sprintf(format, args...))
}

package simulation

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// platter is what a disk holds: what is on it for certain, and what was done since the file was synced, of which any part may be.
type platter struct {
	content []byte
	size    int64
	pending []step
}

func (p *platter) do(s step) {
	if s.deed == synced {
		p.content, p.size = p.all()
		p.pending = nil
		return
	}
	p.pending = append(p.pending, s)
}

// all is the file with everything that was done.
func (p *platter) all() (content []byte, size int64) {
	return p.everything().file(nil)
}

func (p *platter) everything() *image {
	grains := p.grains()
	return &image{p, grains, slices.Repeat([]bool{true}, len(grains))}
}

// grain is a part of what was done that is on the disk or not, as a whole: a sector, where it differs from what was there before.
type grain struct {
	step     int // of those pending
	from, to int // within its bytes
}

const (
	sector = 512
	// word is what a meta page may be torn by. A disk writes it in one go, for it is in the first sector of its page; but its checksum is there so
	// that it need not.
	word = 8
)

// grains are the parts of what is pending.
func (p *platter) grains() (parts []grain) {
	for i, s := range p.pending {
		if s.deed == grew {
			parts = append(parts, grain{step: i})
			continue
		}
		size := sector
		if s.isMeta() {
			size = word
		}
		for from := 0; from < len(s.b); from += size {
			if to := min(from+size, len(s.b)); p.differs(i, from, to) {
				parts = append(parts, grain{i, from, to})
			}
		}
	}
	return parts
}

// differs tells whether a part of something written is other than what the file may have had there before it.
func (p *platter) differs(n, from, to int) bool {
	s := p.pending[n]
	at, b := int(s.at)+from, s.b[from:to]
	for _, earlier := range p.pending[:n] {
		if earlier.deed == wrote && int(earlier.at) < at+len(b) && at < int(earlier.at)+len(earlier.b) {
			return true // it may be there or not
		}
	}
	before := make([]byte, len(b)) // zeros, where the file did not reach
	if at < len(p.content) {
		copy(before, p.content[at:])
	}
	if !bytes.Equal(b, before) {
		return true
	}
	return int64(at+len(b)) > p.size // zeros behind the end of the file make it longer
}

// image is a file as a power cut may leave it: of what is pending, some grains are there.
type image struct {
	of     *platter
	grains []grain
	there  []bool // by grain
}

// file is the image's content, behind which there are zeros up to the size. It is made in a buffer, where one is given.
func (i *image) file(buffer []byte) (content []byte, size int64) {
	content, size = append(buffer[:0], i.of.content...), i.of.size
	for n, g := range i.grains {
		if !i.there[n] {
			continue
		}
		s := i.of.pending[g.step]
		if s.deed == grew {
			size = max(size, s.at)
			continue
		}
		if missing := int(s.at) + g.to - len(content); missing > 0 {
			content = append(content, make([]byte, missing)...)
		}
		copy(content[int(s.at)+g.from:], s.b[g.from:g.to])
	}
	return content, max(size, int64(len(content)))
}

// String says of each pending write which of its grains are there (x), or how many.
func (i *image) String() string {
	var out []string
	for n, s := range i.of.pending {
		marks := ""
		for k, g := range i.grains {
			switch {
			case g.step == n && i.there[k]:
				marks += "x"
			case g.step == n:
				marks += "-"
			}
		}
		if len(marks) > 16 {
			marks = fmt.Sprintf("%d of %d", strings.Count(marks, "x"), len(marks))
		}
		switch {
		case s.deed == grew:
			out = append(out, fmt.Sprintf("size %d %s", s.at, marks))
		case marks != "":
			out = append(out, fmt.Sprintf("page %d %s", s.at/pageSize, marks))
		}
	}
	if len(out) == 0 {
		return "nothing was pending"
	}
	return strings.Join(out, ", ")
}

// torn tells how many of the pending writes are there in part.
func (i *image) torn() (n int) {
	for _, w := range writes(i.grains) {
		if part := i.there[w.from:w.to]; slices.Contains(part, true) && slices.Contains(part, false) {
			n++
		}
	}
	return n
}

// span is from one grain to before another.
type span struct{ from, to int }

// writes are the grains of each write.
func writes(grains []grain) (all []span) {
	for i := range grains {
		if i == 0 || grains[i].step != grains[i-1].step {
			all = append(all, span{i, i})
		}
		all[len(all)-1].to = i + 1
	}
	return all
}

// few is the number of pending writes up to which every subset of them is tried.
const few = 4

// nothing is the file without what is pending.
func (p *platter) nothing() *image {
	grains := p.grains()
	return &image{p, grains, make([]bool, len(grains))}
}

// images are those that a power cut may leave now, if it leaves anything of what is pending: of a few writes every subset, of more of them all, some
// alone, all but some, and what chance gives; and any of them torn.
func (p *platter) images(dice *rand.Rand) (all []*image) {
	grains := p.grains()
	pending := writes(grains)
	seen := map[string]bool{}
	add := func(state func(write int) amount) {
		there := make([]bool, len(grains))
		for n, w := range pending {
			state(n).of(dice, there[w.from:w.to])
		}
		if key := fmt.Sprint(there); !seen[key] && slices.Contains(there, true) {
			seen[key] = true
			all = append(all, &image{p, grains, there})
		}
	}
	k := len(pending)
	if k == 0 {
		return nil
	}
	if k <= few {
		for subset := range 1 << k {
			add(func(n int) amount { return amount(subset >> n & 1) })
		}
	} else {
		add(func(int) amount { return whole })
		for _, one := range dice.Perm(k)[:few] {
			add(alone(one, whole, absent))
			add(alone(one, absent, whole))
		}
	}
	for one := range k {
		if k > 2*few && dice.IntN(k) >= 2*few {
			continue
		}
		add(alone(one, torn, absent))
		add(alone(one, torn, whole))
	}
	for range 2*few + k {
		add(func(int) amount { return amount(dice.IntN(3)) })
	}
	return all
}

// alone has one write be there otherwise than the rest.
func alone(one int, is, rest amount) func(int) amount {
	return func(n int) amount {
		if n == one {
			return is
		}
		return rest
	}
}

// amount is how much of a write is on the disk.
type amount int

const (
	absent amount = iota
	whole
	torn
)

// of says which grains of a write are there.
func (a amount) of(dice *rand.Rand, there []bool) {
	switch {
	case a == absent:
	case a == whole || len(there) < 2:
		for i := range there {
			there[i] = true
		}
	default:
		cut, kind := 1+dice.IntN(len(there)-1), dice.IntN(3)
		for i := range there {
			switch kind {
			case 0:
				there[i] = i < cut
			case 1:
				there[i] = i >= cut
			default:
				there[i] = dice.IntN(2) == 0
			}
		}
	}
}

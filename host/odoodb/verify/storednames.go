package verify

import (
	"hash/maphash"
	"slices"
)

// storedNames are the files that a dump's attachments have, compared with an
// archive's as they come: millions of them must not take more than some bytes
// each, and many attachments have the same file.
type storedNames struct {
	// has gives a file's place among the archive's, and its size modulo 4 GiB.
	has func(name string) (place int, size uint32, found bool)
	// seen is a bit for each file of the archive, present how many are set.
	seen    bits
	present int
	// wrong are those with a different size from what an attachment says, wrongNames the
	// first of them.
	wrong      bits
	wrongSized int
	wrongNames []string
	// absent are hashes of the other names, sorted up to distinct; names are
	// the first of them.
	seed     maphash.Seed
	absent   []uint64
	distinct int
	names    []string
	// full: there are more than maxStored, and the rest was not looked at.
	full bool
}

// maxStored is what an archive may have of files.
const maxStored = 4 << 20

// add takes a name and ir_attachment's file_size, which is 0 where Odoo did not
// know it (before 8.0, and in rows that were made by SQL).
func (s *storedNames) add(name string, said int64) {
	place, size, ok := s.has(name)
	if !ok {
		s.absentName(name)
		return
	}
	if s.seen.set(place) {
		s.present++
	}
	if said > 0 && uint32(said) != size && s.wrong.set(place) {
		if s.wrongSized++; len(s.wrongNames) < maxNamed {
			s.wrongNames = append(s.wrongNames, name)
		}
	}
}

// bits grows as need be.
type bits []uint64

// set says whether the bit was not set before.
func (b *bits) set(place int) bool {
	word, bit := place/64, uint64(1)<<(place%64)
	if word >= len(*b) {
		*b = append(*b, make([]uint64, word+1-len(*b))...)
	}
	was := (*b)[word]&bit != 0
	(*b)[word] |= bit
	return !was
}

// absentName takes a name that has no file.
func (s *storedNames) absentName(name string) {
	if s.full = s.full || s.distinct >= maxStored; s.full {
		return
	}
	if s.absent == nil {
		s.seed = maphash.MakeSeed()
	}
	h := maphash.String(s.seed, name)
	if len(s.names) < maxNamed && !slices.Contains(s.absent, h) {
		s.names = append(s.names, name)
	}
	if s.absent = append(s.absent, h); len(s.absent) >= 2*s.distinct+4096 {
		s.settle()
	}
}

// settle forgets what is there twice.
func (s *storedNames) settle() {
	slices.Sort(s.absent)
	s.absent = slices.Compact(s.absent)
	s.distinct = len(s.absent)
}

// missing is how many names have no file in the archive.
func (s *storedNames) missing() int {
	s.settle()
	return s.distinct
}

// files is how many names there are.
func (s *storedNames) files() int { return s.present + s.missing() }

// sorted gives the first names without a file.
func (s *storedNames) sorted() []string {
	slices.Sort(s.names)
	return s.names
}

package odoodb

import (
	"hash/maphash"
	"slices"
)

// storedNames are the files that a dump's attachments have, compared with an
// archive's as they come: millions of them must not take more than some bytes
// each, and many attachments have the same file.
type storedNames struct {
	// has gives a file's place among the archive's.
	has func(name string) (place int, found bool)
	// seen is a bit for each file of the archive, present how many are set.
	seen    []uint64
	present int
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

func (s *storedNames) add(name string) {
	if place, ok := s.has(name); ok {
		word, bit := place/64, uint64(1)<<(place%64)
		if word >= len(s.seen) {
			s.seen = append(s.seen, make([]uint64, word+1-len(s.seen))...)
		}
		if s.seen[word]&bit == 0 {
			s.seen[word] |= bit
			s.present++
		}
		return
	}
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

package archive

import (
	"hash/maphash"
	"slices"
)

// nameSet is many names in 8 bytes each: their hashes with a seed that nobody
// knows beforehand. Among four million names two meet by accident once in
// a million archives.
type nameSet struct {
	seed   maphash.Seed
	hashes []uint64
}

func newNameSet() *nameSet { return &nameSet{seed: maphash.MakeSeed()} }

func (s *nameSet) hash(name string) uint64 { return maphash.String(s.seed, name) }

func (s *nameSet) add(name string) { s.hashes = append(s.hashes, s.hash(name)) }

// sort makes find possible. It gives the hash of a name that was added twice.
func (s *nameSet) sort() (twice uint64, found bool) {
	slices.Sort(s.hashes)
	for i := 1; i < len(s.hashes); i++ {
		if s.hashes[i] == s.hashes[i-1] {
			return s.hashes[i], true
		}
	}
	return 0, false
}

func (s *nameSet) find(name string) (int, bool) { return slices.BinarySearch(s.hashes, s.hash(name)) }

package archive

import (
	"hash/maphash"
	"slices"
	"sort"
)

// NameSet is many names in 8 bytes each: their hashes with a seed that nobody
// knows beforehand. Among four million names two meet by accident once in
// a million archives. Files have 4 bytes more, for their sizes.
type NameSet struct {
	seed   maphash.Seed
	hashes []uint64
	sizes  []uint32
}

// NewNameSet is an empty one.
func NewNameSet() *NameSet { return &NameSet{seed: maphash.MakeSeed()} }

func (s *NameSet) hash(name string) uint64 { return maphash.String(s.seed, name) }

func (s *NameSet) add(name string) { s.hashes = append(s.hashes, s.hash(name)) }

// Add is for a file with its size in bytes. A set has files only, or names only.
func (s *NameSet) Add(name string, size int64) {
	s.add(name)
	s.sizes = append(s.sizes, uint32(size))
}

// Sort makes Find possible, once all names were added.
func (s *NameSet) Sort() { sort.Sort((*byHash)(s)) }

// Find gives a file's place, which no other one has, and its size modulo 4 GiB.
func (s *NameSet) Find(name string) (place int, size uint32, found bool) {
	place, found = slices.BinarySearch(s.hashes, s.hash(name))
	if found {
		size = s.sizes[place]
	}
	return place, size, found
}

// twice sorts a set of names, and gives the hash of one that was added twice.
func (s *NameSet) twice() (hash uint64, found bool) {
	slices.Sort(s.hashes)
	for i := 1; i < len(s.hashes); i++ {
		if s.hashes[i] == s.hashes[i-1] {
			return s.hashes[i], true
		}
	}
	return 0, false
}

// byHash sorts hashes and sizes together.
type byHash NameSet

func (s *byHash) Len() int           { return len(s.hashes) }
func (s *byHash) Less(i, j int) bool { return s.hashes[i] < s.hashes[j] }
func (s *byHash) Swap(i, j int) {
	s.hashes[i], s.hashes[j] = s.hashes[j], s.hashes[i]
	s.sizes[i], s.sizes[j] = s.sizes[j], s.sizes[i]
}

package pdeflate

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// inflater decompresses a piece of a deflate stream (RFC 1951) that is whole in
// memory. It takes what is sure to be deflate, and refuses the rest: the caller
// then asks the library, which has the last word on what is damaged.
type inflater struct {
	src []byte // with padding behind it
	end int    // of the piece in src
	pos int
	buf uint64 // bits that are read but not used; the next one is the lowest
	nb  uint   // how many of them there are

	lens [maxLit + maxDist]uint8
	lit  [litTable]uint32
	dist [distTable]uint32
	pre  [1 << preBits]uint32
}

var (
	// errShort: the piece ends within a block.
	errShort = errors.New("pdeflate: a piece ends within a block")
	// errFull: it becomes larger than there is room.
	errFull = errors.New("pdeflate: a piece is too large")
	// errOther: it is no deflate, or refers to bytes in front of it.
	errOther = errors.New("pdeflate: not a piece of its own")
)

const (
	maxLit, maxDist = 288, 32
	// litBits and distBits are how many bits of a code are looked up at once. The
	// tables behind those of so many bits take at most as much as here is room for:
	// zlib's `enough 286 11 15` and `enough 30 8 15` say 2342 and 402.
	litBits, litTable   = 11, 2560
	distBits, distTable = 8, 512
	preBits             = 7

	// padding is how far behind the end of the input the loop may look, slack how far
	// behind the end of the output it may write.
	padding, slack = 32, 288
)

// An entry of a table: in bits 0 to 5 how many bits it takes (the code's, as far as they
// are not looked up already, and those that follow it), in 8 to 12 how many of them are the
// code's, from 16 on a byte, the least of a length or distance, or a table's place.
const (
	isByte  = 1 << 15
	isEnd   = 1 << 14
	isTable = 1 << 13
	isBad   = isEnd | isTable
)

var (
	lengthBase  = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	preOrder    = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

var le = binary.LittleEndian

// piece decompresses src[:end], which has padding behind it, into dst, of which slack
// bytes at the end are not for use. It returns how long the result is and where the
// stream ended: final, or else at the end of src and between two blocks.
func (f *inflater) piece(dst, src []byte, end int) (n, used int, final bool, err error) {
	f.src, f.end, f.pos, f.buf, f.nb = src, end, 0, 0, 0
	for !final {
		if f.bitsRead() == end*8 {
			return n, end, false, nil
		}
		if !f.fill() {
			return n, 0, false, errShort
		}
		final = f.take(1) == 1
		switch f.take(2) {
		case 0:
			n, err = f.stored(dst, n)
		case 1:
			f.fixed()
			n, err = f.block(dst, n)
		case 2:
			if err = f.dynamic(); err == nil {
				n, err = f.block(dst, n)
			}
		default:
			err = errOther
		}
		if read := f.bitsRead(); read > end*8 || read > (end-padding)*8 && errors.Is(err, errOther) {
			err = errShort // what was read behind the end means nothing
		}
		if err != nil {
			return n, 0, false, err
		}
	}
	return n, (f.bitsRead() + 7) / 8, true, nil
}

func (f *inflater) bitsRead() int { return f.pos*8 - int(f.nb) }

// fill makes sure of 56 bits, which are zeros behind the end; false far behind it.
func (f *inflater) fill() bool {
	if f.pos > f.end+8 {
		return false
	}
	f.buf |= le.Uint64(f.src[f.pos:]) << (f.nb & 63)
	f.pos += int(63-f.nb) >> 3
	f.nb |= 56
	return true
}

func (f *inflater) take(n uint) uint {
	v := uint(f.buf & (1<<n - 1))
	f.buf >>= n
	f.nb -= n
	return v
}

func (f *inflater) stored(dst []byte, n int) (int, error) {
	at := f.pos - int(f.nb>>3)
	if at+4 > f.end {
		return n, errShort
	}
	size := int(le.Uint16(f.src[at:]))
	if uint16(size) != ^le.Uint16(f.src[at+2:]) {
		return n, errOther
	}
	if at += 4; at+size > f.end {
		return n, errShort
	}
	if n+size > len(dst)-slack {
		return n, errFull
	}
	copy(dst[n:], f.src[at:at+size])
	f.pos, f.buf, f.nb = at+size, 0, 0
	return n + size, nil
}

// fixed makes the tables that the standard has.
func (f *inflater) fixed() {
	for i := range maxLit {
		switch {
		case i < 144:
			f.lens[i] = 8
		case i < 256:
			f.lens[i] = 9
		case i < 280:
			f.lens[i] = 7
		default:
			f.lens[i] = 8
		}
	}
	for i := range maxDist {
		f.lens[maxLit+i] = 5
	}
	build(f.lit[:], f.lens[:maxLit], litBits, litEntry)
	build(f.dist[:], f.lens[maxLit:], distBits, distEntry)
}

// dynamic reads a block's own tables.
func (f *inflater) dynamic() error {
	f.fill()
	lits, dists, pres := int(f.take(5))+257, int(f.take(5))+1, int(f.take(4))+4
	if lits > 286 || dists > 30 {
		return errOther
	}
	var pre [19]uint8
	for i, symbol := range preOrder[:pres] {
		if i%16 == 0 && !f.fill() {
			return errShort
		}
		pre[symbol] = uint8(f.take(3))
	}
	if !build(f.pre[:], pre[:], preBits, func(symbol int) uint32 { return uint32(symbol) << 16 }) {
		return errOther
	}
	lens := f.lens[:lits+dists]
	for i := 0; i < len(lens); {
		if !f.fill() {
			return errShort
		}
		e := f.pre[f.buf&(1<<preBits-1)]
		if e&isBad != 0 {
			return errOther
		}
		f.take(uint(e & 63))
		symbol := e >> 16
		if symbol < 16 {
			lens[i] = uint8(symbol)
			i++
			continue
		}
		var repeat int
		var value uint8
		switch symbol {
		case 16:
			if i == 0 {
				return errOther
			}
			value, repeat = lens[i-1], 3+int(f.take(2))
		case 17:
			repeat = 3 + int(f.take(3))
		default:
			repeat = 11 + int(f.take(7))
		}
		if i+repeat > len(lens) {
			return errOther
		}
		for range repeat {
			lens[i] = value
			i++
		}
	}
	if !build(f.lit[:], lens[:lits], litBits, litEntry) || !build(f.dist[:], lens[lits:], distBits, distEntry) {
		return errOther
	}
	return nil
}

func litEntry(symbol int) uint32 {
	switch {
	case symbol < 256:
		return isByte | uint32(symbol)<<16
	case symbol == 256:
		return isEnd
	case symbol-257 < len(lengthBase):
		return uint32(lengthExtra[symbol-257]) | uint32(lengthBase[symbol-257])<<16
	}
	return isBad
}

func distEntry(symbol int) uint32 {
	if symbol < len(distBase) {
		return uint32(distExtra[symbol]) | uint32(distBase[symbol])<<16
	}
	return isBad
}

// build makes a table for the codes of these lengths; false where they are not codes of
// which each bit sequence begins with one. A single code of one bit is allowed, and none.
func build(table []uint32, lens []uint8, width uint, entry func(symbol int) uint32) bool {
	var count, next [16]int
	for _, n := range lens {
		count[n]++
	}
	count[0] = 0
	code, space, all := 0, 1<<15, 0
	for n := 1; n < 16; n++ {
		code = (code + count[n-1]) << 1
		next[n] = code
		space -= count[n] << (15 - n)
		all += count[n]
	}
	if space < 0 || space > 0 && all > 0 && (all > 1 || count[1] != 1) {
		return false
	}
	for i := range 1 << width {
		table[i] = isBad
	}
	// The codes that are longer than a table's bits: how many more there are at most.
	var longer [1 << litBits]uint8
	codes := next
	for _, n := range lens {
		if n == 0 {
			continue
		}
		if uint(n) > width {
			at := reversed(codes[n], n) & (1<<width - 1)
			longer[at] = max(longer[at], n-uint8(width))
		}
		codes[n]++
	}
	free := uint32(1) << width
	for symbol, n := range lens {
		if n == 0 {
			continue
		}
		code := reversed(next[n], n)
		next[n]++
		e, sub, bits := entry(symbol), table[:1<<width], uint(n)
		if bits > width {
			at := code & (1<<width - 1)
			if table[at] == isBad {
				table[at] = uint32(width) | uint32(longer[at])<<8 | isTable | free<<16
				free += 1 << longer[at]
			}
			start := table[at] >> 16
			if free > uint32(len(table)) {
				return false
			}
			sub = table[start : start+1<<longer[at]]
			code, bits = code>>width, bits-width
		}
		if e&isBad != isBad {
			e += uint32(bits) | uint32(bits)<<8
		}
		for i := code; i < uint32(len(sub)); i += 1 << bits {
			sub[i] = e
		}
	}
	return true
}

func reversed(code int, n uint8) uint32 { return uint32(bits.Reverse16(uint16(code)) >> (16 - n)) }

// block decompresses what follows the tables, up to the end of the block.
func (f *inflater) block(dst []byte, n int) (int, error) {
	src, pos, last, buf, nb := f.src, f.pos, f.end+8, f.buf, f.nb
	lit, dist := &f.lit, &f.dist
	room := len(dst) - slack
	var err error
	for {
		if pos > last {
			err = errShort
			break
		}
		if n > room {
			err = errFull
			break
		}
		buf |= le.Uint64(src[pos:]) << (nb & 63)
		pos += int(63-nb) >> 3
		nb |= 56
		e := lit[buf&(1<<litBits-1)]
		if e&isByte != 0 {
			// As many as the bits are enough for.
			dst[n] = byte(e >> 16)
			n++
			buf >>= e & 63
			nb -= uint(e & 63)
			if e = lit[buf&(1<<litBits-1)]; e&isByte != 0 {
				dst[n] = byte(e >> 16)
				n++
				buf >>= e & 63
				nb -= uint(e & 63)
				if e = lit[buf&(1<<litBits-1)]; e&isByte != 0 {
					dst[n] = byte(e >> 16)
					n++
					buf >>= e & 63
					nb -= uint(e & 63)
					continue
				}
			}
			buf |= le.Uint64(src[pos:]) << (nb & 63)
			pos += int(63-nb) >> 3
			nb |= 56
		}
		if e&(isTable|isEnd) != 0 {
			if e&isEnd == 0 {
				buf >>= litBits
				nb -= litBits
				e = lit[e>>16+uint32(buf)&(1<<(e>>8&31)-1)]
			}
			if e&isByte != 0 {
				dst[n] = byte(e >> 16)
				n++
				buf >>= e & 63
				nb -= uint(e & 63)
				continue
			}
			if e&isBad == isBad {
				err = errOther
				break
			}
			if e&isEnd != 0 {
				buf >>= e & 63
				nb -= uint(e & 63)
				break
			}
		}
		length := int(e>>16 + uint32(buf&(1<<(e&63)-1)>>(e>>8&31)))
		buf >>= e & 63
		nb -= uint(e & 63)
		e = dist[buf&(1<<distBits-1)]
		if e&(isTable|isEnd) != 0 {
			if e&isEnd == 0 {
				buf >>= distBits
				nb -= distBits
				e = dist[e>>16+uint32(buf)&(1<<(e>>8&31)-1)]
			}
			if e&isEnd != 0 {
				err = errOther
				break
			}
		}
		from := n - int(e>>16+uint32(buf&(1<<(e&63)-1)>>(e>>8&31)))
		buf >>= e & 63
		nb -= uint(e & 63)
		if from < 0 {
			err = errOther
			break
		}
		to := n + length
		switch {
		case n-from >= 8:
			for n < to {
				le.PutUint64(dst[n:], le.Uint64(dst[from:]))
				n += 8
				from += 8
			}
			n = to
		default:
			for n < to {
				dst[n] = dst[from]
				n++
				from++
			}
		}
	}
	f.pos, f.buf, f.nb = pos, buf, nb
	return n, err
}

package backup

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/klauspost/compress/flate"

	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/pdeflate"
)

// Level 5 on a dump: four percent larger than zlib's level 6, which Odoo uses,
// in a seventh of its time. Level 7 would save those four percent and take
// three times as long.
const (
	dumpLevel = 5
	fileLevel = 5
)

// wholeFile is the size up to which a file is compressed in memory, side by
// side with others. Larger ones are streamed, one after the other, each on all
// cores.
const wholeFile = 1 << 20

// packer writes an archive's entries.
type packer struct {
	zw   *zip.Writer
	jobs int
	// open is the compressor of an entry that is being streamed.
	open *pdeflate.Writer
}

func newPacker(w io.Writer, jobs int) *packer {
	p := &packer{zw: zip.NewWriter(w), jobs: jobs}
	p.zw.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		var err error
		p.open, err = pdeflate.NewWriter(w, dumpLevel, p.jobs)
		return p.open, err
	})
	return p
}

// stop ends what an error left running.
func (p *packer) stop() {
	if p.open != nil {
		p.open.Stop()
	}
}

// stream adds an entry of unknown size.
func (p *packer) stream(name string, method uint16, modified time.Time) (io.Writer, error) {
	h := &zip.FileHeader{Name: name, Method: method, Modified: modified}
	h.SetMode(0o644)
	return p.zw.CreateHeader(h)
}

// packed is a file on its way into the archive: compressed, or still to be
// streamed.
type packed struct {
	h     *zip.FileHeader
	data  []byte
	large *os.File
	buf   *packBuffer
	err   error
}

// packBuffer is what a worker needs; as many exist as files are on their way.
type packBuffer struct {
	in  bytes.Buffer
	out bytes.Buffer
}

// files adds the file store, in the order of names. Workers compress; this
// goroutine writes.
func (p *packer) files(ctx context.Context, store *filestore.Store, names []string, added func(size int64)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type slot struct {
		name   string
		result chan packed
	}
	inFlight := min(p.jobs*4, 16)
	work, order := make(chan slot), make(chan slot, inFlight)
	// Two more than there can be slots in order: the one that is waited for
	// always finds a buffer.
	buffers := make(chan *packBuffer, inFlight+2)
	for range cap(buffers) {
		buffers <- &packBuffer{}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(work)
		defer close(order)
		for _, n := range names {
			s := slot{n, make(chan packed, 1)}
			select {
			case order <- s:
			case <-ctx.Done():
				return
			}
			work <- s // workers take everything that is in order
		}
	})
	for range p.jobs {
		wg.Go(func() {
			enc, err := flate.NewWriter(io.Discard, fileLevel)
			for s := range work {
				if err != nil || ctx.Err() != nil {
					s.result <- packed{err: errors.Join(err, ctx.Err())}
					continue
				}
				select {
				case b := <-buffers:
					s.result <- packFile(store, s.name, enc, b)
				case <-ctx.Done():
					s.result <- packed{err: ctx.Err()}
				}
			}
		})
	}
	var failed error
	for s := range order {
		f := <-s.result
		err := f.err
		if err == nil && failed == nil {
			if err = p.add(f); err == nil && added != nil {
				added(int64(f.h.UncompressedSize64))
			}
		}
		if f.large != nil {
			f.large.Close()
		}
		if f.buf != nil {
			buffers <- f.buf
		}
		if err != nil && failed == nil {
			failed = err
			cancel()
		}
	}
	wg.Wait()
	return failed
}

func (p *packer) add(f packed) error {
	if f.large != nil {
		w, err := p.stream(f.h.Name, f.h.Method, f.h.Modified)
		if err != nil {
			return err
		}
		n, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{f.large}, make([]byte, 1<<18))
		f.h.UncompressedSize64 = uint64(n)
		return err
	}
	w, err := p.zw.CreateRaw(f.h)
	if err != nil {
		return err
	}
	_, err = w.Write(f.data)
	return err
}

// packFile reads one file and decides how it goes into the archive.
func packFile(store *filestore.Store, name string, enc *flate.Writer, b *packBuffer) packed {
	p := packed{buf: b}
	f, info, err := store.Open(name)
	if err != nil {
		p.err = fmt.Errorf("file store: %w", err)
		if errors.Is(err, fs.ErrPermission) {
			p.err = fmt.Errorf("file store: %w: this user may not read Odoo's files; run odpm as their owner or with sudo", err)
		}
		return p
	}
	h := &zip.FileHeader{Name: "filestore/" + name, Method: zip.Deflate, Modified: info.Modified.UTC()}
	h.SetMode(0o644)
	p.h = h
	if info.Size > wholeFile {
		head := make([]byte, sniffLen)
		n, _ := f.ReadAt(head, 0)
		if compressedAlready(head[:n]) || hollow(f, info.Size, enc, b) {
			h.Method = zip.Store
		}
		p.large = f
		return p
	}
	defer f.Close()
	b.in.Reset()
	if _, err := b.in.ReadFrom(f); err != nil {
		p.err = fmt.Errorf("file store: %w", err)
		return p
	}
	data := b.in.Bytes()
	h.CRC32, h.UncompressedSize64 = crc32.ChecksumIEEE(data), uint64(len(data))
	setDOSTime(h)
	if !isASCII(name) {
		h.Flags |= 0x800 // the name is UTF-8
	}
	p.data = data
	if !compressedAlready(data) && len(data) > 0 {
		b.out.Reset()
		enc.Reset(&b.out)
		_, err := enc.Write(data)
		if err = errors.Join(err, enc.Close()); err != nil {
			p.err = err
			return p
		}
		if b.out.Len() < len(data)-len(data)/32 {
			p.data = b.out.Bytes()
		}
	}
	if len(p.data) == len(data) {
		h.Method = zip.Store
	}
	h.CompressedSize64 = uint64(len(p.data))
	return p
}

// hollow looks at samples of a large file that has next to nothing in it, such as
// a disk image. It would shrink to a thousandth, and programs that look for zip
// bombs, odpm's own of former days among them, refuse an archive that has one.
func hollow(f io.ReaderAt, size int64, enc *flate.Writer, b *packBuffer) bool {
	const samples, sample, ratio = 8, 64 << 10, 100
	b.out.Reset()
	enc.Reset(&b.out)
	read := 0
	buf := make([]byte, sample)
	for i := range int64(samples) {
		n, _ := f.ReadAt(buf, size/samples*i)
		if _, err := enc.Write(buf[:n]); err != nil {
			return false
		}
		read += n
	}
	return enc.Close() == nil && read/ratio > b.out.Len()
}

// setDOSTime does for CreateRaw what CreateHeader does by itself.
func setDOSTime(h *zip.FileHeader) {
	t := h.Modified
	if y := t.Year(); y < 1980 || y > 2107 {
		t = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	// There is no other way for an entry that is written raw.
	h.ModifiedDate = uint16(t.Day() + int(t.Month())<<5 + (t.Year()-1980)<<9) //nolint:staticcheck // SA1019
	h.ModifiedTime = uint16(t.Second()/2 + t.Minute()<<5 + t.Hour()<<11)      //nolint:staticcheck // SA1019
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// sniffLen is how much of a file compressedAlready looks at.
const sniffLen = 16

// magics begin the formats that have nothing left for deflate. PDF is not
// among them: much of an invoice is plain text.
var magics = []string{
	"\xff\xd8\xff", "\x89PNG\r\n\x1a\n", "GIF8", "PK\x03\x04", "\x1f\x8b", "BZh", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd",
	"7z\xbc\xaf\x27\x1c", "Rar!", "wOFF", "wOF2", "OggS", "ID3", "\xff\xfb", "fLaC", "\x1a\x45\xdf\xa3",
}

// compressedAlready goes by the content: files in the file store have no extension.
func compressedAlready(head []byte) bool {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m)) {
			return true
		}
	}
	return len(head) >= 12 && (string(head[4:8]) == "ftyp" || string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP")
}

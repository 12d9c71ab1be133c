package archive

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// maxLayers is how often something may have been compressed with gzip: by the script
// that made it, by the one that uploads it, by the server that it was downloaded from.
const maxLayers = 3

// headSize is enough for every kind of file to be known by its beginning.
const headSize = 512

// layersOf looks through the layers of gzip that something is in: how many there are,
// and the first bytes of what they hold. Its name says nothing about it.
func layersOf(open func() (io.ReadCloser, error)) (layers int, head []byte, err error) {
	f, err := open()
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	var r io.Reader = f
	for {
		b := bufio.NewReaderSize(r, headSize)
		head, err = b.Peek(headSize)
		if !bytes.HasPrefix(head, []byte{0x1f, 0x8b, 8}) || layers == maxLayers {
			break
		}
		if r, err = gzip.NewReader(b); err != nil {
			return 0, nil, err
		}
		layers++
	}
	if len(head) > 0 || errors.Is(err, io.EOF) {
		err = nil // what is wrong further on is found when that is read
	}
	return layers, bytes.Clone(head), err
}

// gunzip ends when what is compressed has ended, too.
type gunzip struct {
	z *gzip.Reader
	r io.ReadCloser
}

// gunzipped takes off the layers; r is closed with what is returned, or here after an
// error.
func gunzipped(r io.ReadCloser, layers int) (io.ReadCloser, error) {
	for range layers {
		z, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<18))
		if err != nil {
			r.Close()
			return nil, err
		}
		r = &gunzip{z, r}
	}
	return r, nil
}

func (g *gunzip) Read(p []byte) (int, error) {
	n, err := g.z.Read(p)
	if errors.Is(err, io.EOF) {
		if _, cerr := io.Copy(io.Discard, g.r); cerr != nil {
			err = cerr
		}
	}
	return n, err
}

func (g *gunzip) Close() error { return g.r.Close() }

// changedLines is what to do about an archive that was copied as a text.
const changedLines = "every line feed in it has a carriage return in front of it, as a terminal or FTP's text mode makes it: make it again without a terminal (docker exec without -t), or copy it in binary mode"

// asText says whether the file went through something that ends lines with a carriage
// return. Four of them by chance, and no line feed without one, happen once in 4 billion
// times.
func (a *Archive) asText() bool {
	if a.f == nil {
		return false
	}
	b := make([]byte, 1<<20)
	n, _ := a.f.ReadAt(b, 0)
	both := bytes.Count(b[:n], []byte("\r\n"))
	return both >= 4 && both == bytes.Count(b[:n], []byte("\n"))
}

// isCut says whether the bytes are others than those that were written, or not all.
func isCut(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.As(err, &corrupt)
}

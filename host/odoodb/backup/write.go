package backup

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/odpm/odpm/host/odoodb/progress"
	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// counter counts what is written.
type counter struct {
	w *bufio.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (b *backup) writeDump(ctx context.Context, w io.Writer) error {
	// pg_dump compresses on one core. Level 1 halves the time of its default
	// for a tenth more bytes.
	return b.dump(ctx, w, nil, "--format=custom", "--compress=1")
}

func (b *backup) writeZip(ctx context.Context, w io.Writer) error {
	p := newPacker(w, b.o.Jobs)
	defer p.stop()
	now := time.Now().UTC()
	sql, err := p.stream("dump.sql", zip.Deflate, now)
	if err != nil {
		return err
	}
	if err := b.dump(ctx, sql, []byte(sqldump.Trailer)); err != nil {
		return err
	}
	manifest, err := p.stream("manifest.json", zip.Deflate, now)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(manifest)
	enc.SetIndent("", "    ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(b.manifest()); err != nil {
		return err
	}
	if err := b.writeFiles(ctx, p); err != nil {
		return err
	}
	return p.zw.Close()
}

// dump copies pg_dump's output to w and looks for the words it ends with.
func (b *backup) dump(ctx context.Context, w io.Writer, ending []byte, args ...string) error {
	out, err := output(ctx, b.s, b.snap.dumpCommand(args...))
	if err != nil {
		return err
	}
	defer out.Close()
	estimate := b.snap.heap + b.snap.toast
	buf, tail := make([]byte, 1<<17), []byte(nil)
	last := time.Now()
	for {
		n, err := out.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return werr // it says where
			}
			b.res.DumpBytes += int64(n)
			if ending != nil {
				tail = lastBytes(tail, buf[:n])
			}
			if now := time.Now(); now.Sub(last) > 100*time.Millisecond {
				last = now
				b.o.Progress.Send(progress.Event{Phase: progress.PhaseDump, Done: b.res.DumpBytes, Total: max(estimate, b.res.DumpBytes)})
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("dump database %q: %w", b.o.Database, err)
		}
	}
	if ending != nil && !bytes.Contains(tail, ending) {
		return fmt.Errorf("dump database %q: pg_dump ended without an error, but its last line, %q, is missing", b.o.Database, ending)
	}
	b.o.Progress.Send(progress.Event{Phase: progress.PhaseDump, Done: b.res.DumpBytes, Total: b.res.DumpBytes, Finished: true})
	return nil
}

// lastBytes keeps the end of a stream: pg_dump's last line and the \unrestrict
// after it.
func lastBytes(tail, more []byte) []byte {
	const keep = 512
	if len(more) > keep {
		more = more[len(more)-keep:]
	}
	tail = append(tail, more...)
	if n := len(tail) - keep; n > 0 {
		tail = append(tail[:0], tail[n:]...)
	}
	return tail
}

func (b *backup) writeFiles(ctx context.Context, p *packer) error {
	if b.staged == nil || len(b.staged.names) == 0 {
		return nil
	}
	var done atomic.Int64
	last := time.Now()
	err := p.files(ctx, b.staged.store, b.staged.names, func(size int64) {
		n := done.Add(size)
		if now := time.Now(); now.Sub(last) > 100*time.Millisecond {
			last = now
			b.o.Progress.Send(progress.Event{Phase: progress.PhaseFilestore, Done: n, Total: b.staged.bytes})
		}
	})
	if err != nil {
		return err
	}
	b.o.Progress.Send(progress.Event{Phase: progress.PhaseFilestore, Done: done.Load(), Total: b.staged.bytes, Finished: true})
	return nil
}

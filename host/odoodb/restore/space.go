package restore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/disk"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
)

// A PostgreSQL that cannot write its log goes down, comes up again only when
// somebody has made room, and takes every other database with it. So a restore
// asks for the space that it certainly needs, watches while it loads, and stops
// itself before the disk is full.

const (
	// spare is left free. A load writes up to some hundred megabytes a second, it is
	// looked at twenty times a second, and PostgreSQL writes its log in pieces of 16 MB.
	spare = 64 << 20
	// emptyDatabase is what CREATE DATABASE copies.
	emptyDatabase = 8 << 20
	// swell is how much larger a database is than its dump's text: measured, an Odoo
	// 18 of 3 MB of text 3.7, a table of seven indexes 3.4. Texts and attachments that
	// PostgreSQL compresses stay below one.
	swell = 3
	// lookEvery is how often the disks are looked at, checkpointEvery how often the
	// server is asked to let go of its log.
	lookEvery, checkpointEvery = 50 * time.Millisecond, 5 * time.Second
)

// disks are the file systems that PostgreSQL writes to, each with what is free.
type disks map[string]int64

// least is the fullest.
func (d disks) least() (place string, free int64) {
	for _, p := range slices.Sorted(maps.Keys(d)) {
		if place == "" || d[p] < free {
			place, free = p, d[p]
		}
	}
	return place, free
}

// places are directories that the server writes to while it loads into a
// tablespace: data, log, tablespace, temporary files. Paths are the server's.
func (r *restore) places(ctx context.Context) ([]string, error) {
	found, err := tables.Collect(ctx, r.c, `SELECT pg_catalog.current_setting('data_directory'::pg_catalog.text)
		UNION ALL SELECT pg_catalog.current_setting('data_directory'::pg_catalog.text) OPERATOR(pg_catalog.||) '/pg_wal'::pg_catalog.text
		UNION ALL SELECT pg_catalog.pg_tablespace_location(oid) FROM pg_catalog.pg_tablespace
		WHERE spcname OPERATOR(pg_catalog.=) $1::pg_catalog.name OR spcname::pg_catalog.text OPERATOR(pg_catalog.=) ANY
			(pg_catalog.string_to_array(pg_catalog.replace(pg_catalog.current_setting('temp_tablespaces'::pg_catalog.text), ' '::pg_catalog.text, ''::pg_catalog.text), ','::pg_catalog.text))`, r.plan.old.Tablespace)
	found = slices.DeleteFunc(found, func(p string) bool { return p == "" })
	return found, err
}

// localDisks looks at directories of this machine. What may not be looked at says
// nothing.
func localDisks(places []string) disks {
	d := disks{}
	for _, p := range places {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			p = real
		} else if filepath.Base(p) == "pg_wal" {
			continue // may be a link to somewhere else
		}
		if free, err := disk.Free(p); err == nil {
			d[p] = free
		}
	}
	return d
}

// lookInContainer looks so often (some ten minutes) that a container whose odpm was
// killed is not looked at for ever.
const lookInContainer = `n=$1; shift; while df -P -k "$@" && echo && [ "$n" -gt 1 ]; do n=$((n-1)); sleep 0.2 || sleep 1; done`

// watchDisks gives what is free to seen, again and again until ctx ends. In a
// container the disks are the container's: df looks at them there.
func (r *restore) watchDisks(ctx context.Context, seen func(disks)) {
	switch r.s.PG.Kind() {
	case "docker":
		for ctx.Err() == nil && r.lookThere(ctx, 3000, seen) == nil {
			continue
		}
	case "native":
		for ctx.Err() == nil {
			seen(localDisks(r.plan.places))
			select {
			case <-ctx.Done():
			case <-time.After(lookEvery):
			}
		}
	}
}

func (r *restore) lookThere(ctx context.Context, times int, seen func(disks)) error {
	pr, pw := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := r.s.Programs.Command(ctx, engine.Command{Argv: append([]string{"sh", "-c", lookInContainer, "sh", strconv.Itoa(times)}, r.plan.places...), Stdout: pw, Stderr: io.Discard})
		pw.Close()
		ended <- err
	}()
	readDF(pr, seen)
	return <-ended
}

// readDF reads what `df -P -k` says: blocks of lines, with an empty one between.
func readDF(r io.Reader, seen func(disks)) {
	d := disks{}
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) == 0 {
			if len(d) > 0 {
				seen(d)
			}
			d = disks{}
			continue
		}
		if len(f) < 6 {
			continue
		}
		if kib, err := strconv.ParseInt(f[3], 10, 64); err == nil {
			d[strings.Join(f[5:], " ")] = kib << 10
		}
	}
}

// spaceTime is for the first look at the disks.
const spaceTime = 20 * time.Second

// checkServerSpace refuses a restore that certainly does not fit.
func (r *restore) checkServerSpace(ctx context.Context) (err error) {
	if r.plan.places, err = r.places(ctx); err != nil {
		return err
	}
	if dir := r.s.PostgresDataDir; dir != "" && r.s.PG.Kind() == "native" {
		r.plan.places = append(r.plan.places, dir)
	}
	look, stop := context.WithTimeout(ctx, spaceTime)
	defer stop()
	switch r.s.PG.Kind() {
	case "docker":
		// An image without df is not looked at.
		_ = r.lookThere(look, 1, func(d disks) { r.plan.disks = d })
	case "native":
		r.plan.disks = localDisks(r.plan.places)
	}
	if len(r.plan.disks) == 0 {
		return ctx.Err()
	}
	place, free := r.plan.disks.least()
	text := r.a.DumpAtLeast()
	if need := text + emptyDatabase + spare; need > free {
		return fmt.Errorf("the database needs more than %s in %s, where PostgreSQL writes, but only %s are free; free up space first", disk.MiB(need), place, disk.MiB(free))
	}
	if need := swell*text + emptyDatabase + spare; need > free {
		r.rep.warn("the database may need %s in %s, where PostgreSQL writes, but only %s are free; the restore will stop before the disk is full", disk.MiB(need), place, disk.MiB(free))
	}
	return nil
}

// noSpaceError is a restore that stopped itself.
type noSpaceError struct {
	database, place string
	free, missing   int64
}

func (e *noSpaceError) Error() string {
	return fmt.Sprintf("restore into database %q: not enough disk space: the restore stopped with %s left in %s, where PostgreSQL writes, because a full disk would take the server down; "+
		"free about %s more there and restore again", e.database, disk.MiB(e.free), e.place, disk.MiB(e.missing))
}

// guardDisks ends the load before a disk is full. Log that the server no longer
// needs is given back by a checkpoint, so that comes first.
func (r *restore) guardDisks(ctx context.Context, stop func(error), read func() int64) {
	before := r.plan.disks
	var checkpoint time.Time
	r.watchDisks(ctx, func(d disks) {
		place, free := d.least()
		if place == "" {
			return
		}
		if free < spare {
			stop(&noSpaceError{r.o.Database, place, free, r.missing(before[place]-free, read())})
			return
		}
		if free < 2*spare && time.Since(checkpoint) > checkpointEvery {
			checkpoint = time.Now()
			go r.checkpoint(ctx)
		}
	})
}

// missing is how much more the rest of the dump needs, by what was used for what
// is read of it.
func (r *restore) missing(used, read int64) int64 {
	size := r.a.DumpTotal()
	if r.a.Format == archive.Dump {
		read = r.a.ReadBytes()
	}
	if read <= 0 || used <= 0 || read >= size {
		return max(used/4, spare)
	}
	return max(int64(float64(used)/float64(read)*float64(size-read)), spare)
}

func (r *restore) checkpoint(ctx context.Context) {
	c, err := r.s.Administrator(ctx, server.Maintenance)
	if err != nil {
		return
	}
	defer engine.Close(c)
	_, _ = c.Exec(ctx, `CHECKPOINT`)
}

// fullServer explains what failed on a full disk: a statement, or the server with
// all its connections.
func (r *restore) fullServer(ctx context.Context, err error) error {
	var pgErr *pgconn.PgError
	if err == nil || errors.As(err, new(*noSpaceError)) {
		return err
	}
	if errors.As(err, &pgErr) && pgErr.Code != "57P01" && pgErr.Code != "57P02" && pgErr.Code != "57P03" {
		switch full := pgErr.Code == "53100" || strings.Contains(pgErr.Message, noSpaceLeft); {
		case full && pgErr.SeverityUnlocalized == "PANIC":
			return fmt.Errorf("PostgreSQL went down because its disk is full; free up space, start it with odpm, and restore again: %w", err)
		case full:
			return fmt.Errorf("%w; PostgreSQL's disk is full: free up space and restore again", err)
		}
		return err
	}
	logs, ok := r.s.PG.(interface {
		Logs(context.Context, int) (string, error)
	})
	if !ok {
		return err
	}
	ctx, cancel := server.Detached(ctx)
	defer cancel()
	text, lerr := logs.Logs(ctx, 50)
	if lerr != nil || !strings.Contains(text, noSpaceLeft) {
		return err
	}
	return fmt.Errorf("PostgreSQL went down because its disk is full (its log says %q); free up space, start it with odpm, and restore again: %w", noSpaceLeft, err)
}

// fullStore adds the next step where somebody took the file store's room meanwhile.
func fullStore(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("the disk had no room for the file store: %w; free up space there and restore again", err)
	}
	return err
}

// noSpaceLeft are the system's words for ENOSPC.
const noSpaceLeft = "No space left on device"

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// floor measures what the machine's cores allow for a restore: the CPU seconds that
// pg_restore -j and its server take for the same data in directory format, and unzip for
// the archive, shared among all cores.
func (p *place) floor(ctx context.Context, archive string) (seconds float64, err error) {
	const database = "floor"
	dump, unpacked := filepath.Join(p.tmp(), "floor.dir"), filepath.Join(p.tmp(), "floor.zip")
	jobs := strconv.Itoa(runtime.NumCPU())
	if err := p.sh(ctx, "pg_dump", "--no-owner", "-Fd", "-j", jobs, "-f", dump, source); err != nil {
		return 0, err
	}
	if err := p.sh(ctx, "createdb", "-T", "template0", "-E", "UTF8", "--lc-collate=C", database); err != nil {
		return 0, err
	}
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	err = errors.Join(
		p.sh(ctx, "pg_restore", "--no-owner", "-j", jobs, "-d", database, dump),
		p.sh(ctx, "unzip", "-q", archive, "-d", unpacked))
	if err != nil {
		return 0, err
	}
	after, err := p.cpu()
	if err != nil {
		return 0, err
	}
	return (after - before) / float64(runtime.NumCPU()), errors.Join(p.dropDatabases(ctx, database), os.RemoveAll(dump))
}

// ticks is how many of the kernel's ticks make a second (USER_HZ).
const ticks = 100

// cpu is what the server and this program's finished children have used until now, in
// seconds.
func (p *place) cpu() (float64, error) {
	b, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	server, _, _ := strings.Cut(string(b), "\n")
	own, err := readStat("self")
	if err != nil {
		return 0, err
	}
	sum := own.children
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, dir := range all {
		s, err := readStat(filepath.Base(dir))
		switch {
		case err != nil: // it has ended
		case s.pid == server:
			sum += s.own + s.children
		case s.parent == server:
			sum += s.own
		}
	}
	return float64(sum) / ticks, nil
}

type stat struct {
	pid, parent   string
	own, children int64
}

// readStat reads /proc/PID/stat (proc(5)).
func readStat(pid string) (s stat, err error) {
	b, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return s, err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 15 {
		return s, fmt.Errorf("/proc/%s/stat: %q", pid, b)
	}
	s.pid, _, _ = strings.Cut(string(b), " ")
	s.parent = f[1]
	for i, into := range []*int64{&s.own, &s.own, &s.children, &s.children} {
		n, err := strconv.ParseInt(f[11+i], 10, 64)
		if err != nil {
			return s, err
		}
		*into += n
	}
	return s, nil
}

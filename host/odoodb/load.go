package odoodb

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// loader runs a plain dump in an empty database, as the application role.
type loader struct {
	s        *Server
	database string
	policy   sqldump.Policy
	// restrict: this server's psql knows \restrict.
	restrict bool
	// jobs is how many connections build indexes side by side.
	jobs     int
	progress Progress
	// total is the dump's size, 0 when unknown.
	total int64

	settings [][]byte
	warnings []string
	warned   map[string]bool
	trailer  bool
}

// trailerLine ends what pg_dump wrote to its end.
const trailerLine = "-- PostgreSQL database dump complete"

// truncatedError is a dump without its trailer.
type truncatedError struct{}

func (truncatedError) Error() string {
	return "the dump is cut off: its last line, \"" + trailerLine + "\", is missing"
}

// load reads the dump once. Tables and their rows go through psql as they
// come; from the first index or key on, statements are run over several
// connections, since that is where most of the time goes and where the order
// is free.
func (l *loader) load(ctx context.Context, r io.Reader) error {
	sc := sqldump.New(r)
	sc.Strict = !l.restrict
	l.warned = map[string]bool{}
	stop := l.tick(sc)
	first, err := l.throughPsql(ctx, sc)
	stop()
	if err != nil {
		return err
	}
	if first != nil {
		if err := l.afterData(ctx, sc, first); err != nil {
			return err
		}
	}
	if !l.trailer {
		return truncatedError{}
	}
	return nil
}

// tick reports how far the dump is read.
func (l *loader) tick(sc *sqldump.Scanner) (stop func()) {
	if l.progress == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(200 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				l.progress.send(Event{Phase: PhaseRestore, Done: sc.Read(), Total: l.total})
			case <-done:
				l.progress.send(Event{Phase: PhaseRestore, Done: sc.Read(), Total: l.total, Finished: true})
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// sessionOptions make a load faster and cost nothing: a crash of the server
// loses a database that nobody has seen yet.
func sessionOptions(jobs int) map[string]string {
	return map[string]string{
		"synchronous_commit":   "off",
		"maintenance_work_mem": strconv.Itoa(max(128, 512/max(jobs, 1))) + "MB",
		// The connections are the parallelism; workers beside them would only
		// cost, unless there are cores left.
		"max_parallel_maintenance_workers": strconv.Itoa(min(max(runtime.NumCPU()/max(jobs, 1)-1, 0), 2)),
	}
}

// throughPsql feeds psql until the first statement that can run in parallel,
// which it returns; nil at the end of the dump.
func (l *loader) throughPsql(ctx context.Context, sc *sqldump.Scanner) (first []byte, err error) {
	// A pipe of the operating system is handed to the program as it is.
	pr, pw, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	env := []string{"PGAPPNAME=odpm", "PGCLIENTENCODING=UTF8"}
	if l.s.AppPassword != "" {
		env = append(env, "PGPASSWORD="+l.s.AppPassword)
	}
	var opts []string
	for k, v := range sessionOptions(l.jobs) {
		opts = append(opts, "-c "+k+"="+v)
	}
	env = append(env, "PGOPTIONS="+strings.Join(opts, " "))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		err := l.s.PG.Command(ctx, engine.Command{
			Argv: []string{"psql", "-X", "-q", "-w", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", l.s.AppRole, "-d", conninfo(l.database)},
			Env:  env, Stdin: pr, Stdout: io.Discard,
		})
		pr.Close() // what we still write fails now instead of waiting
		ended <- err
	}()
	w := bufio.NewWriterSize(pw, 1<<16)
	first, feedErr := l.feed(ctx, sc, w)
	if feedErr == nil {
		feedErr = w.Flush()
	}
	refused := feedErr != nil && !errors.Is(feedErr, os.ErrClosed) && !isPipe(feedErr)
	if refused {
		// The end of its input would make psql commit what it has.
		cancel()
	}
	pw.Close()
	psqlErr := <-ended
	switch {
	case refused:
		return nil, feedErr
	case psqlErr != nil:
		return nil, fmt.Errorf("restore the dump into database %q: %w", l.database, psqlErr)
	case feedErr != nil:
		return nil, fmt.Errorf("psql ended before the dump did: %w", feedErr)
	}
	return first, nil
}

func (l *loader) feed(ctx context.Context, sc *sqldump.Scanner, w *bufio.Writer) ([]byte, error) {
	if l.restrict {
		fmt.Fprintf(w, "\\restrict %s\n", token()+token())
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		it, err := sc.Next()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		switch it.Kind {
		case sqldump.Comment:
			l.comment(it.Text)
		case sqldump.Copy:
			w.Write(it.Text)
			w.WriteByte('\n')
			if err := sc.CopyData(w); err != nil {
				return nil, err
			}
			w.WriteString("\\.\n")
		case sqldump.Statement:
			if !l.wanted(it.Text) {
				continue
			}
			if k := sqldump.Classify(it.Text).Kind; k == sqldump.Index || k == sqldump.Key || k == sqldump.ForeignKey {
				return bytes.Clone(it.Text), nil
			}
			w.Write(it.Text)
			w.WriteByte('\n')
		}
	}
}

func (l *loader) comment(text []byte) {
	if string(text) == trailerLine {
		l.trailer = true
	}
}

// wanted applies the policy and remembers settings for the other connections.
func (l *loader) wanted(stmt []byte) bool {
	v := l.policy.Judge(stmt)
	if v.Warn != "" && !l.warned[v.Warn] {
		l.warned[v.Warn] = true
		l.warnings = append(l.warnings, v.Warn)
	}
	if !v.Drop && sqldump.Setting(stmt) {
		l.settings = append(l.settings, bytes.Clone(stmt))
	}
	return !v.Drop
}

// psqlVersion reads "psql (PostgreSQL) 15.20 (Debian …)".
var psqlVersion = regexp.MustCompile(`([0-9]+)(?:\.([0-9]+))?`)

// knowsRestrict asks the server's own psql. The command came with the minor
// releases of August 2025.
func (s *Server) knowsRestrict(ctx context.Context) (bool, error) {
	version, err := s.programVersion(ctx, "psql")
	return restrictSince(version), err
}

// programVersion is what a client program beside the server says it is.
func (s *Server) programVersion(ctx context.Context, program string) (string, error) {
	var out bytes.Buffer
	if err := s.PG.Command(ctx, engine.Command{Argv: []string{program, "--version"}, Stdout: &out}); err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", program, err)
	}
	return out.String(), nil
}

func (s *Server) programMajor(ctx context.Context, program string) (int, error) {
	version, err := s.programVersion(ctx, program)
	if err != nil {
		return 0, err
	}
	m := psqlVersion.FindStringSubmatch(version)
	if m == nil {
		return 0, fmt.Errorf("%s says that it is %q, which names no version", program, strings.TrimSpace(version))
	}
	return strconv.Atoi(m[1])
}

func restrictSince(version string) bool {
	m := psqlVersion.FindStringSubmatch(version)
	if m == nil {
		return false
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	since, ok := map[int]int{13: 22, 14: 19, 15: 14, 16: 10, 17: 6}[major]
	return major >= 18 || ok && minor >= since
}

// defaultJobs is how many connections are worth it: index building keeps one
// core busy each.
func defaultJobs() int { return min(max(runtime.NumCPU(), 2), 4) }

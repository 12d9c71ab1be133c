package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/odpm/odpm/shared/snapshot"
)

// way is a command that a refusal names to take a file out of the way.
var way = regexp.MustCompile(`\b(mv|rm) `)

// badFiles damages one file of odpm's own. The next run works anyway, or
// ends with an error that names a command; it never crashes, and the database
// is as it was.
func badFiles(t *tries) error {
	return onFull(t, func(p *place) error {
		var files []string
		for _, pattern := range []string{".odpm/state/*", ".odpm/state/.*", ".odpm/runtime/*", ".odpm/database/*"} {
			found, err := filepath.Glob(filepath.Join(p.dir, pattern))
			if err != nil {
				return err
			}
			files = append(files, found...)
		}
		for _, name := range []string{"restore-odpm_0123456789abcdef.json", "backup-0123456789abcdef.json", "drop-0123456789abcdef.json", ".backup-0123456789abcdef", "initdb"} {
			files = append(files, filepath.Join(p.dir, ".odpm/state", name))
		}
		files = slices.DeleteFunc(files, func(f string) bool {
			info, err := os.Lstat(f)
			return err == nil && !info.Mode().IsRegular() || filepath.Ext(f) == ".sql" || filepath.Ext(f) == ".log"
		})
		for range t.times(1, 12) {
			for _, file := range files {
				t.tried(p.damaged(file))
			}
		}
		return nil
	})
}

func (p *place) damaged(file string) error {
	old, err := os.ReadFile(file)
	made := errors.Is(err, os.ErrNotExist)
	if err != nil && !made {
		return err
	}
	kinds := [][]byte{nil, make([]byte, 512), old[:len(old)/2], []byte("\x1b[2J{\"version\": 1"), append(slices.Clone(old), old...)}
	bad := kinds[p.t.rng.IntN(len(kinds))]
	if err := os.WriteFile(file, bad, 0o600); err != nil {
		return err
	}
	said := p.odpm("--no-input")
	if said != nil && (!isExit(said) || !way.MatchString(said.Error())) {
		said = fmt.Errorf("%s with %.60q: %w", file, bad, said)
	} else {
		said = nil
	}
	if made {
		err = remove(file)
	} else {
		err = os.WriteFile(file, old, 0o600)
	}
	if err == nil {
		err = p.odpm("--no-input")
	}
	return errors.Join(said, err, p.same())
}

// saves has two programs write the baseline at once, while a third reads it:
// it is always one that somebody wrote.
func saves(t *tries) error {
	dir, err := os.MkdirTemp("", "odpm-torture-saves-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, snapshot.FileName)
	one := func(service string) *snapshot.Snapshot {
		s := &snapshot.Snapshot{Scenario: "developer", RecordedAt: time.Now().UTC().Truncate(time.Second)}
		s.Cluster.AppRole, s.Cluster.PGMajor = "odoo", 15
		s.Compose.DataPathAbs, s.Compose.HostPort, s.Compose.ImageTag, s.Compose.ServiceName = "/srv/data", 5432, "15", service
		s.OdooConf.DBHost, s.OdooConf.DBPort, s.OdooConf.DBUser = service, 5432, "odoo"
		return s
	}
	if err := snapshot.Save(path, one("db")); err != nil {
		return err
	}
	n := t.times(1000, 10000)
	var writers sync.WaitGroup
	failed := make(chan error, 2)
	for _, service := range []string{"db", "acme-db"} {
		writers.Go(func() {
			for range n / 2 {
				if err := snapshot.Save(path, one(service)); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		s, err := snapshot.Load(path)
		if err == nil && s.Compose.ServiceName != s.OdooConf.DBHost {
			err = errors.New("half of one and half of the other")
		}
		if err != nil {
			t.broke = append(t.broke, err.Error())
			break
		}
	}
	<-done
	t.n += n
	select {
	case err := <-failed:
		t.broke = append(t.broke, err.Error())
	default:
	}
	return nil
}

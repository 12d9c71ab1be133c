package odoodb

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
)

// helperEnv makes the test binary a process that can be killed: it does one
// thing on the server of the process that started it.
const helperEnv = "ODPM_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		if err := runHelper(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	odoodbtest.Main(m)
}

var ctx = context.Background()

// fixedTime is for names that have a date.
var fixedTime = time.Date(2026, 1, 31, 18, 30, 0, 0, time.UTC)

// helper is such a process. It kills itself where it passes the fault named
// killAt.
func helper(s *server.Server, t *testing.T, verb, file, killAt string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	pg := s.PG.(*odoodbtest.Postgres)
	files, err := json.Marshal(s.Files)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, verb, pg.Bin, pg.Socket, strconv.Itoa(pg.Port), s.AppRole, string(files), s.StateDir, abs, killAt)
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	cmd.Stderr = os.Stderr
	return cmd
}

func runHelper(a []string) error {
	port, err := strconv.Atoi(a[3])
	if err != nil {
		return err
	}
	pg := odoodbtest.Attach(a[1], a[2], port)
	s := &server.Server{PG: pg, Programs: pg, AppRole: a[4], Admin: odoodbtest.AdminOf(pg), StateDir: a[6]}
	if err := json.Unmarshal([]byte(a[5]), &s.Files); err != nil {
		return err
	}
	fault.At = func(at string) {
		if at == a[8] {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	switch a[0] {
	case "backup":
		_, err = backup.Run(ctx, s, backup.Options{Database: "db", File: a[7]})
	case "restore":
		_, err = restore.Run(ctx, s, restore.Options{File: a[7], Database: "db", OdooMajor: 18, Odoo: odooFile(filepath.Dir(s.StateDir) + "/odoo-runs")})
	case "drop":
		_, err = drop.Database(ctx, s, "db")
	case "recover":
		_, err = Recover(ctx, s, odooFile(filepath.Dir(s.StateDir)+"/odoo-runs"))
	}
	return err
}

// odooFile is an Odoo whose running is a file's being there, so that it
// outlives the process that stops or starts it.
type odooFile string

func (o odooFile) Running(context.Context) (bool, error) { return odoodbtest.Present(string(o)), nil }
func (o odooFile) Stop(context.Context) error            { return os.Remove(string(o)) }
func (o odooFile) Start(context.Context) error           { return os.WriteFile(string(o), nil, 0o600) }

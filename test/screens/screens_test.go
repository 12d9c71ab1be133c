// Package screens shows what a person sees: the command line on a real terminal
// of 80 and of 200 columns, with and without colour, against golden files.
package screens

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"github.com/odpm/odpm/host/cli"
	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/database"
	"github.com/odpm/odpm/host/odoodb"
	"github.com/odpm/odpm/host/receipts"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/test/localpg"
)

var update = flag.Bool("update", false, "write the golden files")

// screen is what a terminal of a width shows of what is written to it.
func screen(t *testing.T, width uint16, write func(tty *os.File)) string {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 50, Cols: width}); err != nil {
		t.Fatal(err)
	}
	shown := make(chan string)
	go func() {
		// The end is an error here (EIO), as a terminal's always is.
		data, _ := io.ReadAll(master)
		shown <- strings.ReplaceAll(string(data), "\r\n", "\n")
	}()
	write(tty)
	tty.Close()
	return <-shown
}

// project is one that somebody pointed at another data directory. Its path has
// the same length everywhere, so that lines break at the same words.
func project(t *testing.T, letter string) string {
	t.Helper()
	dir := fmt.Sprintf("/tmp/screens-%06d%s", os.Getpid()%1e6, letter)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Mkdir(filepath.Join(dir, "pg16"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		".env":      "POSTGRES_DATA_DIR=pg16\nODPM_SCENARIO=server\n",
		"odpm.json": `{"postgres_version": "15", "odoo_version": "18.0", "platform_name": "odoo"}`,
		"odoo.conf": "[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\ndb_password = a-long-password\n",
		".odpm/database/last_run.json": `{"cluster": {"app_role": "odoo", "app_role_present": true, "data_dir_nonempty": true, "pg_major": 15, "system_identifier": "7711559642108535362"},
"compose": {"compose_project_name": "acme", "data_path_abs": "/srv/customers/acme-international/projects/shop/data/postgresql/var/lib/postgresql/data", "host_port": 5432, "image_tag": "15", "odoo_service_name": "odoo", "service_name": "db"},
"engine": "postgres", "odoo_conf": {"db_host": "db", "db_port": 5432, "db_user": "odoo"}, "odpm_scenario": "developer", "recorded_at": "2026-06-17T20:00:00+00:00", "schema_version": 1}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// typed runs a command in this process.
func typed(t *testing.T, color bool, args ...string) func(*os.File) {
	return func(tty *os.File) {
		t.Helper()
		in, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		args := append([]string{"--color", map[bool]string{true: "always", false: "never"}[color]}, args...)
		app := cli.New(in, tty, tty, args, []string{"HOME=/nonexistent", "COMPOSE_PROJECT_NAME=acme"}, nil)
		if err := app.Run(context.Background()); err != nil {
			var done cli.Outcome
			if !errors.As(err, &done) {
				app.Fail(err, "")
			}
		}
	}
}

func TestScreens(t *testing.T) {
	// Neither Docker nor odpm-checker is to be found, on any machine.
	t.Setenv("PATH", t.TempDir())
	// Nor does a busy machine show that it is still at work.
	t.Setenv("TERM", "dumb")
	programs, err := localpg.Bin("15")
	if err != nil {
		t.Fatal(err)
	}
	port := free(t)
	dir, inherited := project(t, "a"), project(t, "b")
	for name, text := range map[string]string{
		"docker-compose.yml": "services: {db: {image: 'postgres:15'}}\n",
		".env":               "POSTGRES_DATA_DIR=pg16\nODPM_SCENARIO=server\nODPM_RUNTIME=native\nODPM_PG_BINDIR=" + programs + "\nPOSTGRES_PORT=" + port + "\n",
	} {
		if err := os.WriteFile(filepath.Join(inherited, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	backup := receipts.Receipt{Kind: receipts.Backup, Database: "prod", Archive: filepath.Join(inherited, "prod.zip"), At: time.Date(2026, 6, 17, 18, 30, 0, 0, time.Local)}
	if err := os.WriteFile(backup.Archive, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := backup.Keep(filepath.Join(inherited, ".odpm/state")); err != nil {
		t.Fatal(err)
	}
	listed := []database.Listed{
		{Database: odoodb.Database{Name: "prod", Owner: "odoo", Bytes: 20 << 20, AllowConnections: true, State: odoodb.Initialised, OdooVersion: "18.0", FilestoreState: odoodb.FilestorePresent, Files: 9, FilestoreBytes: 78643}},
		{Database: odoodb.Database{Name: "a_database_with_a_long_name", Owner: "somebody_else", Bytes: -1, AllowConnections: false, State: odoodb.Unreadable, Reason: "it belongs to another role, and this login may not look into it", FilestoreState: odoodb.FilestoreMissing, Files: -1}},
	}
	refusal := &ui.Refusal{Code: codes.ComposeForeign, What: "/srv/acme/docker-compose.yml was not written by odpm and is not overwritten. Nothing was written or started.",
		Details: []string{"container acme-db-1 (compose project acme, service db) has the directory mounted under another path"},
		Ways: []string{"odpm adopt docker-compose.yml        takes its stack over in one plan, up to a proven login; with --keep the file stays, and odpm adopt --undo is the way back",
			"ODPM_COMPOSE=keep in .env        odpm works with this file as it is; POSTGRES_SERVICE_NAME names its PostgreSQL service",
			"odpm init --from-compose docker-compose.yml        writes settings and an override that keep its data and services",
			"odpm --replace-compose        odpm writes its own and keeps a dated copy of this one"}}
	question := ui.Question{Lines: []string{"PostgreSQL data directory changed:", "  previous: /srv/acme/pg15", "  current:  /srv/acme/pg16", "Data is not moved for you."},
		GoOn: "accept new data path", InstructionsLabel: "show wipe instructions", Instructions: []string{"While PostgreSQL and Odoo are stopped:", "  docker compose -p acme down        data stays", "To keep the old data, copy it:", "  sudo cp -a /srv/acme/pg15/. /srv/acme/pg16/"}}
	for _, color := range []bool{false, true} {
		terminal := func(tty *os.File) *ui.Terminal {
			return ui.New(tty, tty, tty, ui.Options{Color: map[bool]string{true: "always", false: "never"}[color]})
		}
		for name, write := range map[string]func(*os.File){
			"plan":   typed(t, color, "-C", dir, "plan", "--plan-no-docker"),
			"status": typed(t, color, "-C", inherited, "database", "status"),
			"doctor": typed(t, color, "-C", inherited, "doctor"),
			"root":   typed(t, color, "--help"),
			"help":   typed(t, color, "stop", "--help"),
			"usage":  typed(t, color, "database", "lisst"),
			"list":   func(tty *os.File) { terminal(tty).Screen(func(out io.Writer) { database.WriteList(out, listed) }) },
			"drift":  typed(t, color, "-C", inherited, "--skip-start", "--no-input"),
			"codes":  typed(t, color, "explain"),
			"refuse": func(tty *os.File) { terminal(tty).Fail(refusal) },
			"warn": func(tty *os.File) {
				terminal(tty).Warn("the cluster has been restored from a copy whose system_identifier is the one of the last proven login; see %s", "odpm explain cluster_identity")
			},
			"prompt": func(tty *os.File) {
				in, answers, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer in.Close()
				io.WriteString(answers, "c\na\n")
				answers.Close()
				term := terminal(tty)
				term.In = in
				if _, err := term.Ask(question); err != nil {
					t.Error(err)
				}
			},
		} {
			for _, width := range []uint16{80, 200} {
				got := strings.NewReplacer(dir, "/tmp/screens-123456a", inherited, "/tmp/screens-123456b", port, "54321", "linux/"+runtime.GOARCH, "linux/amd64", "GOARCH="+runtime.GOARCH, "GOARCH=amd64").Replace(screen(t, width, write))
				file := fmt.Sprintf("testdata/%s-%d", name, width)
				if color {
					file += "-colour"
				}
				check(t, file+".txt", got)
				fits(t, file, got, int(width))
			}
		}
	}
}

// free is a port that nobody listens on, of five digits.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func check(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; run: go test ./test/screens -update, and look at it", err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s: %s", file, d)
	}
}

var (
	command = regexp.MustCompile(`^ +(odpm|sudo|docker) |=\S+|^\S+ ?\S+$|^ +/\S+$`)
)

// fits: no line is wider than the terminal but a command or a path, which stay whole.
func fits(t *testing.T, file, got string, width int) {
	t.Helper()
	for _, line := range strings.Split(wording.WithoutColours(got), "\n") {
		if len([]rune(line)) > width && !command.MatchString(line) {
			t.Errorf("%s: %d columns: %s", file, len([]rune(line)), line)
		}
	}
}

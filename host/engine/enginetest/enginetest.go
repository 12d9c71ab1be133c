// Package enginetest is what every engine must do: one suite for Docker, for
// PostgreSQL's own binaries and for a server of somebody else's, against real
// servers.
package enginetest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine"
)

// Subject is an engine on a data directory of its own that does not hold a
// cluster yet. Its superuser is postgres.
type Subject struct {
	PG engine.Writer
	// Remote is PG where it is not one's own; PG is then nil.
	Remote engine.Remote
	// Major is the major that Look must find.
	Major int
	// Password is postgres' over TCP.
	Password string
	// Dir is where a person types commands.
	Dir string
	// Kill ends the server without a shutdown, as a power cut does.
	Kill func(t *testing.T)
	// Leftovers counts processes of ours that live beside the server, such as
	// relays and client programs; nil where there can be none.
	Leftovers func(t *testing.T) int
}

// Run runs the suite on one subject: its parts build on each other, since a
// fresh cluster is what costs time.
func Run(t *testing.T, make func(t *testing.T) Subject) {
	s := make(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, Subject)
	}{
		{"nothing is there yet", before},
		{"start", start},
		{"look and holders", lookAndHolders},
		{"address", address},
		{"connection", connection},
		{"psql as it is printed", PrintedPsql},
		{"big copy", bigCopy},
		{"cancelled query", cancelledQuery},
		{"command", command},
		{"big pipe", bigPipe},
		{"cancelled command", cancelledCommand},
		{"cancelled script is not committed", cancelledScript},
		{"single user is refused while it runs", singleUserRunning},
		{"stop", stop},
		{"single user", singleUser},
		{"start again", startAgain},
		{"recovery after a kill", recovery},
		{"cancelled wait", cancelledWait},
		{"logs", logs},
		{"nothing is left", leftovers},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.run(t, s) }) {
			// The next parts would only say the same in other words.
			t.FailNow()
		}
	}
}

// RunRemote runs what an engine.Remote can do on a server that runs and lets
// postgres in without a password.
func RunRemote(t *testing.T, s Subject) {
	for _, part := range []struct {
		name string
		run  func(*testing.T, Subject)
	}{
		{"connection", connection},
		{"big copy", bigCopy},
		{"cancelled query", cancelledQuery},
		{"command", command},
		{"big pipe", bigPipe},
		{"cancelled command", cancelledCommand},
		{"cancelled script is not committed", cancelledScript},
		{"nothing is left", leftovers},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.run(t, s) }) {
			t.FailNow()
		}
	}
}

// remote is the part of the subject that every engine has.
func (s Subject) remote() engine.Remote {
	if s.PG != nil {
		return s.PG
	}
	return s.Remote
}

// limit is what no part may exceed, whatever the machine does meanwhile.
func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Connect opens a connection as postgres over the engine.
func Connect(t *testing.T, pg engine.Server) *pgx.Conn {
	t.Helper()
	conn, err := engine.Connect(limit(t), pg, engine.Login{User: "postgres", Database: "postgres"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// one asks for a single value.
func one[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(limit(t), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(limit(t), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// eventually polls for what a server does a moment later.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if yes() {
			return
		}
	}
	t.Errorf("%s: not after 15 seconds", what)
}

func before(t *testing.T, s Subject) {
	ctx := limit(t)
	if st, err := s.PG.Status(ctx); err != nil || st.Exists || st.Running || st.Ready {
		t.Errorf("status: %+v %v", st, err)
	}
	if f, err := s.PG.Look(ctx); err != nil || f.State != datadir.Missing && f.State != datadir.Empty {
		t.Errorf("look: %+v %v", f, err)
	}
	if h, err := s.PG.Holders(ctx); err != nil || len(h) != 0 {
		t.Errorf("holders: %+v %v", h, err)
	}
	if _, err := s.PG.Dial(ctx); err == nil {
		t.Error("a connection to nothing")
	}
	if err := s.PG.Command(ctx, engine.Command{Argv: []string{"psql", "-c", "SELECT 1"}}); err == nil {
		t.Error("a command without a server")
	}
	if err := s.PG.Stop(ctx); err != nil {
		t.Errorf("stopping what does not run: %v", err)
	}
}

func start(t *testing.T, s Subject) {
	ctx := limit(t)
	if err := s.PG.Start(ctx); err != nil {
		t.Fatal(err)
	}
	st, err := s.PG.Status(ctx)
	if err != nil || !st.Exists || !st.Running || !st.Ready || st.ID == "" {
		t.Fatalf("status: %+v %v", st, err)
	}
	if err := s.PG.Start(ctx); err != nil {
		t.Errorf("a second start: %v", err)
	}
	if again, err := s.PG.Status(ctx); err != nil || again.ID != st.ID {
		t.Errorf("a second start made another server: %+v %v", again, err)
	}
}

func lookAndHolders(t *testing.T, s Subject) {
	ctx := limit(t)
	f, err := s.PG.Look(ctx)
	if err != nil {
		t.Fatal(err)
	}
	id := one[string](t, Connect(t, s.PG), `SELECT system_identifier::text FROM pg_control_system()`)
	if f.State != datadir.Initialised || f.Major != s.Major || f.SystemIdentifier != id || f.UID < 0 || f.ClusterDir == "" {
		t.Errorf("%+v, and the server says %s", f, id)
	}
	h, err := s.PG.Holders(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(h) != 1 || !h[0].Own || h[0].Name == "" || h[0].StopCommand == "" {
		t.Errorf("holders: %+v", h)
	}
}

func logs(t *testing.T, s Subject) {
	text, err := s.PG.Logs(limit(t), 3)
	if err != nil || text == "" {
		t.Errorf("%q %v", text, err)
	}
	if n := lines(text); n > 3 {
		t.Errorf("asked for 3 lines, got %d:\n%s", n, text)
	}
}

func leftovers(t *testing.T, s Subject) {
	if s.Leftovers != nil {
		eventually(t, "no relay and no client program is left", func() bool { return s.Leftovers(t) == 0 })
	}
}

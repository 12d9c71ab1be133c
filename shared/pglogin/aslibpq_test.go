package pglogin_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/odpm/odpm/shared/pglogin"
	"github.com/odpm/odpm/test/localpg"
)

// TestAsLibpq: with the same variables and files psql, which is libpq as
// Odoo's psycopg2 is, and we get the same answer. In the cases $PORT, $DIR
// (files) and $SOCKET (directory) are put in.
func TestAsLibpq(t *testing.T) {
	c := start(t)
	root := withTLS(t, c)
	if err := c.Append("pg_hba.conf", "local all all scram-sha-256", "host all all 127.0.0.1/32 scram-sha-256"); err != nil {
		t.Fatal(err)
	}
	sql(t, c, "SELECT pg_reload_conf()", "SELECT pg_sleep(0.2)", "CREATE ROLE plain LOGIN PASSWORD 'pw'")
	bin, err := localpg.Bin("15")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replace := strings.NewReplacer("$PORT", strconv.Itoa(c.Port), "$DIR", dir, "$SOCKET", c.SocketDir())
	put := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(replace.Replace(text)), mode); err != nil {
			t.Fatal(err)
		}
	}
	authority, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(c.Dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	put("root.crt", string(authority), 0o644)
	put("other.crt", otherAuthority(t), 0o644)
	put("closed.key", string(key), 0o600)
	put("open.key", string(key), 0o644)
	put("garbage", "no certificate", 0o600)
	const good = "[s]\nhost=127.0.0.1\nport=$PORT\n"
	for name, text := range map[string]string{
		"good":       good,
		"keepalives": good + "keepalives_idle=60\ngssencmode=disable\ntcp_user_timeout=9\n",
		"unknown":    good + "search_path=public\n",
		"spaces":     "[s]\nhost = 127.0.0.1\nport = $PORT\n",
		"key_twice":  good + "port=1\n",
		"twice":      good + "[s]\nport=1\n",
		"nested":     good + "service=t\n",
		"indented":   "  # x\n\n  [s] \n  host=127.0.0.1\nport=$PORT  \n",
		"hostaddr":   "[s]\nhost=nowhere.invalid\nhostaddr=127.0.0.1\nport=$PORT\n",
		"passfile":   good + "passfile=$DIR/by_host\n",
		"other":      "[other]\nhost=127.0.0.1\n",
	} {
		put("service_"+name, text, 0o600)
	}
	if err := os.Mkdir(filepath.Join(dir, "system"), 0o755); err != nil {
		t.Fatal(err)
	}
	put("system/pg_service.conf", good, 0o644)
	put("by_host", "127.0.0.1:*:*:plain:pw\n", 0o600)
	put("by_localhost", "localhost:*:*:plain:pw\n", 0o600)
	put("by_directory", "$SOCKET:*:*:plain:pw\n", 0o600)

	const tcp, socket = "PGHOST=127.0.0.1 PGPORT=$PORT PGPASSWORD=pw", "PGHOST=$SOCKET PGPORT=$PORT"
	const tls = tcp + " PGSSLMODE=require"
	served := func(file string) string { return "PGPASSWORD=pw PGSERVICE=s PGSERVICEFILE=$DIR/service_" + file }
	for _, tt := range []struct {
		env   string
		works bool
		tls   bool
	}{
		{tcp, true, true},
		// The address beats the name, which is for the certificate and the password.
		{"PGPORT=$PORT PGPASSWORD=pw PGHOSTADDR=127.0.0.1", true, true},
		{tcp + " PGHOSTADDR=127.0.0.9", false, false},
		{tcp + " PGHOSTADDR=localhost", false, false},
		{tcp + " PGHOSTADDR=", true, true},
		{"PGHOST=nowhere.invalid PGPORT=$PORT PGPASSWORD=pw PGHOSTADDR=127.0.0.1", true, true},
		{"PGHOST=localhost PGPORT=$PORT PGPASSWORD=pw PGHOSTADDR=127.0.0.1 PGSSLMODE=verify-full PGSSLROOTCERT=$DIR/root.crt", true, true},
		{"PGHOST=other.invalid PGPORT=$PORT PGPASSWORD=pw PGHOSTADDR=127.0.0.1 PGSSLMODE=verify-full PGSSLROOTCERT=$DIR/root.crt", false, false},
		{"PGPORT=$PORT PGPASSWORD=pw PGHOSTADDR=127.0.0.1 PGSSLMODE=verify-full PGSSLROOTCERT=$DIR/root.crt", false, false},
		{"PGHOST=a,b PGPORT=$PORT PGPASSWORD=pw PGHOSTADDR=127.0.0.9,127.0.0.1", true, true},
		{"PGHOST=a,b PGPORT=1,$PORT PGPASSWORD=pw PGHOSTADDR=127.0.0.1,127.0.0.1 PGSSLMODE=disable", true, false},
		{"PGHOST=127.0.0.1,b PGPORT=$PORT PGPASSWORD=pw PGHOSTADDR=,127.0.0.9", true, true},
		{"PGHOST=a PGPORT=$PORT PGPASSWORD=pw PGHOSTADDR=127.0.0.9,127.0.0.1", false, false},
		{"PGHOST=$SOCKET PGPORT=$PORT PGPASSWORD=pw PGHOSTADDR=127.0.0.1", true, true},
		{"PGHOST=$SOCKET,a PGPORT=$PORT PGPASSWORD=pw PGHOSTADDR=,127.0.0.1", true, false},
		{"PGPORT=$PORT PGHOSTADDR=127.0.0.1 PGPASSFILE=$DIR/by_host", true, true},
		{"PGPORT=$PORT PGHOST=localhost PGHOSTADDR=127.0.0.1 PGPASSFILE=$DIR/by_host", false, false},
		{"PGPORT=$PORT PGHOST=localhost PGHOSTADDR=127.0.0.1 PGPASSFILE=$DIR/by_localhost", true, true},
		{socket + " PGPASSFILE=$DIR/by_directory", true, false},
		{socket + " PGPASSFILE=$DIR/by_localhost", false, false},

		{served("good"), true, true}, {served("keepalives"), true, true}, {served("unknown"), false, false},
		{served("spaces"), false, false}, {served("key_twice"), true, true}, {served("twice"), true, true},
		{served("nested"), false, false}, {served("indented"), true, true}, {served("hostaddr"), true, true},
		{served("good") + " PGHOSTADDR=127.0.0.9", false, false},
		{"PGSERVICE=s PGSERVICEFILE=$DIR/service_passfile", true, true},
		{served("other"), false, false}, {served("other") + " PGSYSCONFDIR=$DIR/system", true, true},
		{served("missing") + " PGSYSCONFDIR=$DIR/system", false, false},
		{"PGPASSWORD=pw PGSERVICE=s PGSYSCONFDIR=$DIR/system", true, true},
		{tcp + " PGSERVICE=", false, false},

		// A client's certificate, and the authorities.
		{tls + " PGSSLCERT=$DIR/missing", true, true},
		{tls + " PGSSLCERT=$DIR/root.crt", false, false},
		{tls + " PGSSLCERT=$DIR/root.crt PGSSLKEY=$DIR/closed.key", true, true},
		{tls + " PGSSLCERT=$DIR/root.crt PGSSLKEY=$DIR/open.key", false, false},
		{tcp + " PGSSLCERT=$DIR/root.crt PGSSLKEY=$DIR/open.key", true, false},
		{tls + " PGSSLROOTCERT=$DIR/garbage", false, false},
		{tcp + " PGSSLROOTCERT=$DIR/garbage", true, false},
		{tcp + " PGSSLROOTCERT=$DIR/other.crt", true, false},
		{tcp + " PGSSLROOTCERT=$DIR/missing", true, true},
		{tls + " PGSSLMINPROTOCOLVERSION=TLSv1.3", true, true},
		{tls + " PGSSLMINPROTOCOLVERSION=TLSv1.3 PGSSLMAXPROTOCOLVERSION=TLSv1.2", false, false},
		{tcp + " PGSSLMINPROTOCOLVERSION=new", false, false},
		{tcp + " PGREQUIRESSL=1", true, true},
		{tcp + " PGGSSENCMODE=require", false, false}, {tcp + " PGGSSENCMODE=no", false, false},

		{tcp + " PGCONNECT_TIMEOUT=-1", true, true}, {tcp + " PGCONNECT_TIMEOUT=soon", false, false},
		{tcp + " PGCLIENTENCODING=LATIN1", true, true}, {tcp + " PGCLIENTENCODING=no", false, false},
		{tcp + " PGDATESTYLE=ISO", true, true}, {tcp + " PGDATESTYLE=no", false, false},
		{tcp + " PGDATESTYLE=default PGTZ=default", true, true}, {tcp + " PGGEQO=no!", false, false},
		{tcp + " PGSSLMODE=", false, false}, {tcp + " PGCHANNELBINDING=", false, false}, {tcp + " PGTZ=", false, false},
		{tcp + " PGTARGETSESSIONATTRS=", false, false}, {tcp + " PGCONNECT_TIMEOUT=", false, false}, {tcp + " PGGEQO=", false, false},
		{tcp + " PGTARGETSESSIONATTRS=standby", false, false},
	} {
		t.Run(tt.env, func(t *testing.T) {
			cmd := exec.Command(filepath.Join(bin, "psql"), "-X", "-w", "-d", "postgres", "-A", "-t", "-c", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
			cmd.Env = []string{"HOME=" + dir, "PGUSER=plain"}
			t.Setenv("HOME", dir)
			t.Setenv("PGUSER", "plain")
			for _, kv := range strings.Fields(tt.env) {
				name, value, _ := strings.Cut(replace.Replace(kv), "=")
				cmd.Env = append(cmd.Env, name+"="+value)
				t.Setenv(name, value)
			}
			out, err := cmd.CombinedOutput()
			answer := strings.TrimSpace(string(out))
			if (err == nil) != tt.works || tt.works && (answer == "t") != tt.tls {
				t.Fatalf("psql: %v %s", err, answer)
			}
			res, err := pglogin.Login(t.Context(), pglogin.Config{})
			if (err == nil) != tt.works || tt.works && res.TLS != tt.tls {
				t.Errorf("psql says %q, we %+v %v", answer, res, err)
			}
		})
	}
}

// TestExplicit: the shell of a person who runs odpm leads it nowhere else.
func TestExplicit(t *testing.T) {
	c := shared(t)
	cfg := config(c)
	cfg.SSLMode = "prefer"
	for name, value := range map[string]string{
		"PGHOSTADDR": "127.0.0.9", "PGTZ": "", "PGGSSENCMODE": "require", "PGCLIENTENCODING": "no", "PGSSLCERT": "/no", "PGSSLROOTCERT": "/no",
	} {
		t.Setenv(name, value)
	}
	_, err := pglogin.Login(t.Context(), cfg)
	if err == nil {
		t.Error("the variables have no effect at all")
	}
	cfg.Explicit = true
	if _, err := pglogin.Login(t.Context(), cfg); err != nil {
		t.Error(err)
	}
}

package main_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// secret is what must not be seen anywhere. It has no character that a URL or
// a log format would encode.
const secret = "Tr0ub4dor-secret"

// TestNoPasswordAnywhere puts the password in every place where people put it,
// wrong ones above all, and looks for it in everything that was written, at
// the most talkative level, in every format.
func TestNoPasswordAnywhere(t *testing.T) {
	c := startServer(t, nil, "log_connections = on", "log_statement = all", "log_min_messages = debug1")
	port := strconv.Itoa(c.Port)
	dir := t.TempDir()
	file := func(name, text string) string { return write(t, filepath.Join(dir, name), text) }
	url := "postgres://odoo:" + secret + "@127.0.0.1:" + port + "/postgres"
	kv := "host=127.0.0.1 port=" + port + " user=odoo password=" + secret
	pg := []string{"PGHOST=127.0.0.1", "PGPORT=" + port, "PGUSER=odoo"}
	for _, tc := range []struct {
		name string
		env  []string
		args []string
	}{
		{"PGPASSWORD refused", with(pg, "PGPASSWORD="+secret), nil},
		{"password for nobody there", []string{"PGHOST=127.0.0.1", "PGPORT=1", "PGUSER=odoo", "PGPASSWORD=" + secret}, nil},
		{"command line", pg, []string{"--db_password", secret}},
		{"command line, joined", pg, []string{"--db_password=" + secret}},
		{"command line, short", pg, []string{"-w" + secret}},
		{"odoo.conf", pg, []string{"-c", file("a.conf", "[options]\ndb_password = "+secret+"\n")}},
		{"URL as db_host", pg, []string{"--db_host", url}},
		{"URL as db_host in odoo.conf", pg, []string{"-c", file("b.conf", "[options]\ndb_host = "+url+"\n")}},
		{"keywords as db_host", pg, []string{"--db_host", kv}},
		{"URL with a broken escape", pg, []string{"--db_host", "postgres://odoo:%zz" + secret + "@h"}},
		{"user:password@host as db_host", pg, []string{"--db_host", "odoo:" + secret + "@127.0.0.1"}},
		{"URL as PGHOST", []string{"PGHOST=" + url, "PGUSER=odoo"}, nil},
		{"keywords as PGHOST", []string{"PGHOST=" + kv, "PGUSER=odoo"}, nil},
		{"user:password@host as PGHOST", []string{"PGHOST=odoo:" + secret + "@127.0.0.1", "PGUSER=odoo"}, nil},
		{"URL as PGPORT", with(pg, "PGPORT="+url), nil},
		{"password as PGPORT", with(pg, "PGPORT="+secret), nil},
		{"password as db_port", pg, []string{"--db_port", secret}},
		{"URL as db_port", pg, []string{"--db_port", url}},
		{"URL as user", pg, []string{"--db_user", url}},
		{"URL as PGUSER", with(pg, "PGUSER="+url), nil},
		{"user:password as user", pg, []string{"--db_user", "odoo:" + secret}},
		{"URL as database", with(pg, "PGPASSWORD="+secret), []string{"-d", url}},
		{"keywords as database", with(pg, "PGPASSWORD="+secret), []string{"-d", "dbname=x password=" + secret}},
		{"URL as db_name in odoo.conf", pg, []string{"-c", file("c.conf", "[options]\ndb_name = "+url+"\n")}},
		{"URL as ODPM_DB_HOST", with(pg, "ODPM_DB_HOST="+url), nil},
		{"URL as ODPM_DB_NAME", with(pg, "ODPM_DB_NAME="+url, "ODPM_DB_PASSWORD="+secret), nil},
		{"URL as ODPM_DB_PORT", with(pg, "ODPM_DB_PORT="+url), nil},
		{"password as ODPM_DB_SSLMODE", with(pg, "ODPM_DB_SSLMODE="+secret), nil},
		{"password as PGSSLMODE", with(pg, "PGSSLMODE="+secret), nil},
		{"password as sslmode in odoo.conf", pg, []string{"-c", file("d.conf", "[options]\ndb_sslmode = "+secret+"\n")}},
		{"ODPM_DB_PASSWORD_FILE holding it, and refused", with(pg, "ODPM_DB_PASSWORD_FILE="+file("pw", secret)), nil},
		{"password as the file's name", with(pg, "ODPM_DB_PASSWORD_FILE="+url), nil},
		{"PGPASSFILE, malformed", with(pg, "PGPASSFILE="+file("pgpass", secret+"\n"+url+"\n*:*:*:*:"+secret+"\n")), nil},
		{"service file, malformed", with(pg, "PGSERVICE=x", "PGSERVICEFILE="+file("service", "[x]\npassword "+secret+"\n")), nil},
		{"service file with a URL", with(pg, "PGSERVICE=x", "PGSERVICEFILE="+file("service2", "[x]\nhost="+url+"\npassword="+secret+"\n")), nil},
		{"PGSERVICE", with(pg, "PGSERVICE="+url), nil},
		{"PGOPTIONS", with(pg, "PGPASSWORD="+secret, "PGOPTIONS=-c bad.thing="), nil},
		{"PGSSLKEY", with(pg, "PGSSLMODE=require", "PGSSLKEY="+secret, "PGSSLCERT="+secret), nil},
		{"PGSSLROOTCERT", with(pg, "PGSSLMODE=verify-full", "PGSSLROOTCERT="+url), nil},
		{"PGCONNECT_TIMEOUT", with(pg, "PGCONNECT_TIMEOUT="+secret), nil},
		{"PGTARGETSESSIONATTRS", with(pg, "PGTARGETSESSIONATTRS="+secret), nil},
		{"PGREQUIREAUTH", with(pg, "PGREQUIREAUTH="+secret), nil},
		{"line that configparser refuses", pg, []string{"-c", file("e.conf", "[options]\n"+secret+"\n")}},
		{"duplicate password", pg, []string{"-c", file("f.conf", "[options]\ndb_password = "+secret+"\ndb_password = "+secret+"\n")}},
		{"password with a zero byte", pg, []string{"-c", file("g.conf", "[options]\ndb_password = "+secret+"\x00x\n")}},
		{"ODPM_ODOO_VERSION", with(pg, "ODPM_ODOO_VERSION="+url), nil},
		{"ODPM_TIMEOUT", with(pg, "ODPM_TIMEOUT="+url), nil},
	} {
		for _, format := range []string{"logfmt", "json", "text"} {
			t.Run(tc.name+"/"+format, func(t *testing.T) {
				args := append([]string{"--timeout", "200ms", "--log-level", "debug", "--log-format", format, "--check", "--", "odoo"}, tc.args...)
				r := invocation{env: tc.env, args: args}.run(t)
				if strings.Contains(r.stdout+r.stderr, secret) {
					t.Errorf("the password is written (exit code %d):\n%s%s", r.code, r.stdout, r.stderr)
				}
				if strings.Contains(r.stderr, "panic") || strings.Contains(r.stderr, "goroutine ") {
					t.Errorf("crash:\n%s", r.stderr)
				}
				if r.code == 1 || r.code == 2 {
					t.Errorf("exit code %d is none of ours\n%s", r.code, r.stderr)
				}
			})
		}
	}
	t.Run("server log", func(t *testing.T) {
		log, err := os.ReadFile(c.LogFile())
		if err != nil {
			t.Fatal(err)
		}
		// A role's name is no secret to the server: who writes a URL there
		// has published it. Everything else must not be found.
		for line := range strings.Lines(string(log)) {
			if strings.Contains(line, secret) && !strings.Contains(line, "user=") && !strings.Contains(line, "ole \"") && !strings.Contains(line, "for user \"") {
				t.Error(line)
			}
		}
	})
}

// TestPasswordFile: libpq's password file works, as Odoo's psycopg2 does.
func TestPasswordFile(t *testing.T) {
	c := server(t)
	escaped := strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(appPassword)
	path := write(t, filepath.Join(t.TempDir(), "pg pass"), "127.0.0.1:"+strconv.Itoa(c.Port)+":*:odoo:"+escaped+"\n")
	os.Chmod(path, 0o600)
	env := []string{"PGHOST=127.0.0.1", "PGPORT=" + strconv.Itoa(c.Port), "PGUSER=odoo", "PGPASSFILE=" + path}
	invocation{env: env, args: []string{"--", "odoo"}}.run(t).want(t, 0, "login proven")
	// libpq passes over one that others may read, and Odoo has no password.
	os.Chmod(path, 0o644)
	r := invocation{env: env, args: []string{"--", "odoo"}}.run(t)
	r.want(t, 77, "reason=role_missing_or_wrong_password", "others may read it", `next="chmod 600 '`+path+`'"`)
	os.Remove(path)
	r = invocation{env: env, args: []string{"--", "odoo"}}.run(t)
	r.want(t, 77, "none is set", "set db_password in odoo.conf")
}

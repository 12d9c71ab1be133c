package main_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/odpm/odpm/shared/snapshot"
	"github.com/odpm/odpm/test/localpg"
)

// TestServiceLinks: Kubernetes gives each pod variables named after the Services
// of its namespace, and one may be called odpm-db.
func TestServiceLinks(t *testing.T) {
	env := with(connection(server(t)), "ODPM_DB_PORT=tcp://10.96.0.7:5432", "ODPM_DB_SERVICE_HOST=10.96.0.7", "ODPM_DB_SERVICE_PORT=5432",
		"ODPM_DB_PORT_5432_TCP=tcp://10.96.0.7:5432", "ODPM_DB_PORT_5432_TCP_ADDR=10.96.0.7", "ODPM_TIMEOUT=tcp://10.96.0.8:80")
	r := invocation{env: env, args: []string{"--", "sh", "-c", "echo $ODPM_DB_PORT"}}.run(t)
	r.want(t, 0, "ODPM_DB_PORT is a service link", "ODPM_TIMEOUT is a service link", "login proven", "tcp://10.96.0.7:5432\n")
	if n := strings.Count(r.stderr, "service link of"); n != 2 {
		t.Errorf("%d warnings:\n%s", n, r.stderr)
	}
}

// secretVolume lays files out as a Secret's volume is: links to a directory that the
// kubelet replaces, on a file system of its own.
func secretVolume(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, "..2026", name), text)
		must(t, os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
	}
	must(t, os.Symlink("..2026", filepath.Join(dir, "..data")))
	return dir
}

// TestMountedSecret: ODPM_DB_DIR is a directory of files, as CloudNativePG and
// basic-auth make them.
func TestMountedSecret(t *testing.T) {
	c := startServer(t, nil)
	sql(t, c, "CREATE DATABASE app OWNER odoo")
	port := strconv.Itoa(c.Port)
	root, err := c.WithTLS("localhost")
	must(t, err)
	other, _, err := localpg.Certificate("localhost")
	must(t, err)
	rootFile := write(t, filepath.Join(t.TempDir(), "ca.crt"), string(root))
	at := []string{"PGHOST=localhost", "PGPORT=" + port}
	uriPassword := strings.NewReplacer("'", "%27", `\`, "%5C", " ", "%20", "$", "%24").Replace(appPassword)
	for name, tc := range map[string]struct {
		files map[string]string
		env   []string
		args  []string
		code  int
		says  []string
	}{
		"CloudNativePG": {map[string]string{"host": "localhost", "port": port, "username": appRole, "user": appRole, "password": appPassword + "\n", "dbname": "app",
			"uri": "postgresql://nobody:wrong@elsewhere:1/no", "pgpass": "x", "ca.crt": string(root)}, []string{"ODPM_DB_SSLMODE=verify-full"}, nil, 0, []string{"login proven", "databases=postgres,app"}},
		"basic-auth":       {map[string]string{"username": appRole, "password": appPassword}, at, nil, 0, []string{"login proven"}},
		"uri":              {map[string]string{"uri": "postgresql://" + appRole + ":" + uriPassword + "@localhost:" + port + "/app?sslmode=require"}, nil, nil, 0, []string{"login proven", "databases=postgres,app"}},
		"pgpass":           {map[string]string{"host": "localhost", "port": port, "username": appRole, "pgpass": "localhost:*:*:odoo:" + strings.ReplaceAll(appPassword, `\`, `\\`) + "\n"}, nil, nil, 0, []string{"login proven"}},
		"-d beats dbname":  {map[string]string{"username": appRole, "password": appPassword, "dbname": "app"}, at, []string{"--", "odoo", "-d", "shop"}, 0, []string{"databases=postgres,shop"}},
		"a variable beats": {map[string]string{"username": appRole, "password": "wrong"}, with(at, "ODPM_DB_PASSWORD="+appPassword), nil, 0, []string{"login proven"}},
		"wrong authority":  {map[string]string{"host": "localhost", "port": port, "username": appRole, "password": appPassword, "ca.crt": string(other)}, []string{"ODPM_DB_SSLMODE=verify-full"}, nil, 77, []string{"reason=tls"}},
		"Crunchy": {map[string]string{"host": "localhost", "port": port, "user": appRole, "password": appPassword, "dbname": "app", "verifier": "SCRAM-SHA-256$4096:x",
			"uri": "postgresql://nobody:wrong@elsewhere:1/no", "jdbc-uri": "jdbc:postgresql://elsewhere:1/no?password=wrong&user=nobody",
			"pgbouncer-host": "elsewhere", "pgbouncer-port": "1", "pgbouncer-uri": "postgresql://nobody:wrong@elsewhere:1/no"}, nil, nil, 0, []string{"login proven", "databases=postgres,app"}},
		"Bitnami's chart": {map[string]string{"postgres-password": "superuser's\n", "password": appPassword + "\n", "replication-password": "other"}, with(at, "PGUSER="+appRole), nil, 0, []string{"login proven"}},
		"Service Binding": {map[string]string{"type": "postgresql\n", "provider": "x\n", "host": "localhost\n", "port": port + "\n", "username": appRole + "\n", "password": appPassword + "\n", "database": "app\n"},
			nil, nil, 0, []string{"login proven", "databases=postgres,app"}},
		"Crossplane":                          {map[string]string{"endpoint": "localhost:" + port, "username": appRole, "password": appPassword}, nil, nil, 0, []string{"login proven"}},
		"an address of IPv6":                  {map[string]string{"host": "::1", "port": "1", "username": appRole, "password": appPassword}, nil, []string{"--timeout", "300ms"}, 69, []string{"[::1]:1"}},
		"a uri of IPv6":                       {map[string]string{"uri": "postgresql://odoo:x@[::1]:1/app"}, nil, []string{"--timeout", "300ms"}, 69, []string{"[::1]:1"}},
		"a uri with parameters":               {map[string]string{"uri": "postgresql:///app?host=localhost&port=" + port + "&user=" + appRole + "&password=" + uriPassword + "&target_session_attrs=standby"}, []string{"PGTARGETSESSIONATTRS=read-write"}, nil, 0, []string{"login proven", "databases=postgres,app"}},
		"a uri with session attrs":            {map[string]string{"uri": "postgresql://" + appRole + ":" + uriPassword + "@localhost:" + port + "/app?target_session_attrs=standby"}, nil, []string{"--timeout", "1s"}, 69, []string{"reason=primary", "asks for standby"}},
		"a uri with ports that differ":        {map[string]string{"uri": "postgresql://" + appRole + ":" + uriPassword + "@127.0.0.1:1,localhost:" + port + "/app"}, nil, nil, 0, []string{"port=1," + port, "login proven"}},
		"a uri with its authority":            {map[string]string{"uri": "postgresql://" + appRole + ":" + uriPassword + "@localhost:" + port + "/app?sslmode=verify-full&sslrootcert=" + rootFile}, nil, nil, 0, []string{"settings=ODPM_DB_DIR/uri", "login proven"}},
		"a uri with the system's authorities": {map[string]string{"uri": "postgresql://" + appRole + ":" + uriPassword + "@localhost:" + port + "/app?sslmode=verify-full&sslrootcert=system"}, nil, nil, 77, []string{"reason=tls", "signed by an authority that is not known here"}},
		"a uri with more":                     {map[string]string{"uri": "postgresql://" + appRole + ":" + uriPassword + "@localhost:" + port + "/app?connect_timeout=3&pgbouncer=true&options=-c%20x&channel_binding=disable"}, nil, nil, 0, []string{"level=WARN", "does not take from it: channel_binding, options", "login proven"}},
		"a uri that is of no use":             {map[string]string{"uri": "jdbc:topsecret", "host": "localhost", "port": port, "username": appRole, "password": appPassword}, nil, nil, 0, []string{"level=WARN", "it is ignored", "login proven"}},
		"a password with a slash":             {map[string]string{"uri": "postgresql://odoo:top/secret@localhost:" + port + "/app"}, nil, nil, 78, []string{"ODPM_DB_DIR/uri: db_port", "not shown"}},
		"more ports than hosts":               {map[string]string{"host": "localhost", "port": "1,2", "username": appRole}, nil, nil, 78, []string{"numbers of hosts and of ports differ"}},
		"another Secret":                      {map[string]string{"token": "x"}, at, nil, 78, []string{"ODPM_DB_DIR", "none of the files"}},
		"a uri that is none":                  {map[string]string{"uri": "topsecret"}, nil, nil, 78, []string{"the file uri", "not shown"}},
		"a uri with several hosts":            {map[string]string{"uri": "postgresql://" + appRole + ":" + uriPassword + "@localhost:" + port + ",127.0.0.1:" + port + "/app"}, nil, nil, 0, []string{"login proven"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := invocation{env: with(tc.env, "ODPM_DB_DIR="+secretVolume(t, tc.files)), args: tc.args}.run(t)
			r.want(t, tc.code, tc.says...)
			if strings.Contains(r.stderr, "topsecret") {
				t.Errorf("%s", r.stderr)
			}
		})
	}
	folder := secretVolume(t, map[string]string{"username": appRole})
	must(t, os.Mkdir(filepath.Join(folder, "host"), 0o755))
	invocation{env: with(at, "ODPM_DB_DIR="+folder)}.run(t).want(t, 78, "host cannot be read", "a file for each key")
	invocation{env: with(at, "ODPM_DB_DIR=/nowhere")}.run(t).want(t, 78, "none of the files")
	invocation{env: with(at, "ODPM_DB_NAME=postgresql://odoo:topsecret@localhost/app", "PGUSER="+appRole, "PGPASSWORD="+appPassword)}.run(t).want(t, 0, "is a connection URI")
}

// TestPasswordFileOfASecret: fsGroup makes every file of a Secret readable for
// the group, and nobody can change that on a read-only mount.
func TestPasswordFileOfASecret(t *testing.T) {
	c := server(t)
	line := "127.0.0.1:*:*:odoo:" + strings.ReplaceAll(appPassword, `\`, `\\`) + "\n"
	for _, readOnly := range []bool{false, true} {
		dir := t.TempDir()
		mount(t, dir, "")
		path := write(t, filepath.Join(dir, "pgpass"), line)
		must(t, os.Chmod(path, 0o440))
		if readOnly {
			remountReadOnly(t, dir)
		}
		r := invocation{env: []string{"PGHOST=127.0.0.1", "PGPORT=" + strconv.Itoa(c.Port), "PGUSER=" + appRole, "PGPASSFILE=" + path}}.run(t)
		if readOnly {
			r.want(t, 0, "level=WARN", "is in a Secret", "PGPASSWORD", "login proven")
		} else {
			r.want(t, 77, "is ignored", "chmod 600")
		}
	}
}

// TestResult: what was proven, small enough for a pod's termination message.
func TestResult(t *testing.T) {
	c := server(t)
	file := filepath.Join(t.TempDir(), "termination-log")
	must(t, os.WriteFile(file, bytes.Repeat([]byte("old"), 5000), 0o666))
	invocation{env: connection(c), args: []string{"--check", "--result", file}}.run(t).want(t, 0, "login proven")
	data := readFile(t, file)
	p, err := snapshot.DecodeProven(bytes.NewReader(data))
	must(t, err)
	want := snapshot.Proven{Version: 1, ProvenAt: p.ProvenAt, AppRole: appRole, PGMajor: 15, Endpoint: "127.0.0.1:" + strconv.Itoa(c.Port), Server: "primary",
		SystemIdentifier: sql(t, c, "SELECT system_identifier FROM pg_control_system()")}
	if *p != want || len(data) > 4096 {
		t.Errorf("%s, want %+v", data, want)
	}
	// Nobody reads from a pipe: that is a file that cannot be written, and no wait.
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	invocation{env: connection(c), args: []string{"--check", "--result", pipe}}.run(t).want(t, 0, "level=WARN", "--result", "login proven")
	nowhere := filepath.Join(t.TempDir(), "missing", "file")
	invocation{env: connection(c), args: []string{"--check", "--result", nowhere}}.run(t).want(t, 0, "level=WARN", "--result")
	invocation{env: with(connection(c), "ODPM_RESULT="+nowhere), args: []string{"--check", "--no-record", "--require-baseline"}}.run(t).want(t, 73)
}

// TestAdviceInAPod: there is no docker compose where Kubernetes runs a container.
func TestAdviceInAPod(t *testing.T) {
	for _, tc := range []struct {
		env  []string
		says string
	}{
		{[]string{"KUBERNETES_SERVICE_HOST=10.96.0.1", "PGHOST=no-such-service"}, "kubectl get services"},
		{[]string{"PGHOST=no-such-service"}, "docker compose up -d no-such-service"},
		{[]string{"PGHOST=fe80::1%lo", "PGPORT=1"}, "pg_isready -h fe80::1%lo"},
		{[]string{"PGHOST=no-such.invalid"}, "getent hosts no-such.invalid"},
	} {
		r := invocation{env: append(tc.env, "PGUSER=odoo", "PGPASSWORD=x"), args: []string{"--check", "--timeout", "200ms"}}.run(t)
		r.want(t, 69, tc.says)
		if tc.says[0] != 'd' && strings.Contains(r.stderr, "docker") {
			t.Errorf("%s", r.stderr)
		}
	}
}

package sqldump

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// scan gives what psql would execute, COPY data in angle brackets.
func scan(dump string) ([]string, error) {
	s := New(strings.NewReader(dump))
	var out []string
	for {
		it, err := s.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, string(it.Text))
		if it.Kind == Copy {
			var b bytes.Buffer
			if err := s.CopyData(&b); err != nil {
				return out, err
			}
			out = append(out, "<"+b.String()+">")
		}
	}
}

func TestSplit(t *testing.T) {
	for _, tc := range []struct{ dump, want string }{
		{"SELECT 1; SELECT 2;\n", "SELECT 1;|SELECT 2;"},
		{"-- c\nSELECT ';' \";\" /* ; /* ; */ ; */ -- ;\n;", "-- c|SELECT ';' \";\" /* ; /* ; */ ; */ -- ;\n;"},
		{"SELECT /*/ ; */ 1;", "SELECT /*/ ; */ 1;"},
		{"SELECT 2*/**/3;", "SELECT 2*/**/3;"},
		{"SELECT E'\\';' ; SELECT 'a\\';", "SELECT E'\\';' ;|SELECT 'a\\';"},
		{"SELECT E'a''\\';';", "SELECT E'a''\\';';"},
		{"SELECT $$;$$, $a$ $b$ ; $a$;", "SELECT $$;$$, $a$ $b$ ; $a$;"},
		{"SELECT a$b$; SELECT c$b$;", "SELECT a$b$;|SELECT c$b$;"},
		{"SELECT $a1$;$a1$;", "SELECT $a1$;$a1$;"},
		{"CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2;);", "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2;);"},
		{"CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3;",
			"CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;|SELECT 3;"},
		{"COPY public.\"a\"\"b\" (x, \"Y z\") FROM stdin;\n1\t\\N\n\\\\.\n\\.\nSELECT 1;", "COPY public.\"a\"\"b\" (x, \"Y z\") FROM stdin;|<1\t\\N\n\\\\.\n>|SELECT 1;"},
		{"COPY t () FROM stdin;\r\n\r\n\\.\r\n", "COPY t () FROM stdin;|<\r\n>"},
		{"\\restrict abc\nSELECT 1;\n\\unrestrict abc\n", "\\restrict abc|SELECT 1;|\\unrestrict abc"},
	} {
		got, err := scan(tc.dump)
		if err != nil || strings.Join(got, "|") != tc.want {
			t.Errorf("%q:\n got %q, %v\nwant %q", tc.dump, got, err, tc.want)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, dump := range []string{
		"\\! id\n",
		"SELECT 1;\n\\i /etc/passwd\n",
		"SELECT 1 \\g |id\n",
		"SELECT 1;\\! id\n",
		"\\copy t from program 'id'\n",
		"\\restrict a; \\! id\n",
		"/* x */ \\! id\n",
		"COPY t FROM PROGRAM 'id';\n",
		"COPY t FROM '/etc/passwd';\n",
		"COPY (SELECT 1) TO PROGRAM 'id' -- FROM stdin;\n;",
		"/* */ copy t from program 'id';\n",
		"COPY t FROM stdin; \\! id\n1\n\\.\n",
		"COPY t FROM stdin;\n1\n",
		"COPY t FROM stdin;\n\\.\x00\n\\.\n",
		"SELECT 'a",
		"SELECT 'a\x00';",
		"SELECT 'a\\'; \\! id --';\n",
		"DROP DATABASE victim;\n",
		"drop /* x */ database\nvictim;",
		"DROP\fDATABASE victim;",
		"\vDROP\vDATABASE victim;",
		"/**/--x\rDROP DATABASE victim --\n ;",
		"COPY t FROM stdin -- \r; ALTER DATABASE victim RENAME TO x;\n;\n\\.\n",
		"\xef\xbb\xbfDROP DATABASE victim;",
		"\fCOPY t FROM PROGRAM 'id';\n",
		"CREATE DATABASE x;",
		"ALTER DATABASE victim ALLOW_CONNECTIONS false;",
		"ALTER ROLE odoo PASSWORD 'x';",
		"ALTER USER odoo PASSWORD 'x';",
		"DROP OWNED BY odoo;",
		"REASSIGN OWNED BY odoo TO other;",
		"ALTER SYSTEM SET work_mem = '1MB';",
		"CREATE TABLESPACE x LOCATION '/x';",
		"DO $x$ BEGIN EXECUTE 'ALTER ROLE odoo PASSWORD ''x'''; END $x$;",
		"GRANT odoo TO other;",
		"REVOKE odoo FROM other;",
		"GRANT ALL ON DATABASE victim TO PUBLIC;",
		"SECURITY LABEL FOR x ON DATABASE victim IS 'y';",
		"BEGIN; PREPARE TRANSACTION 'x';",
	} {
		if got, err := scan(dump); !IsRefused(err) {
			t.Errorf("%q was read as %q, %v", dump, got, err)
		}
	}
}

// TestBehindTheEnd: a dump that is whole is not called cut off for what somebody has
// written behind it.
func TestBehindTheEnd(t *testing.T) {
	const end = "SELECT 1;\n--\n" + Trailer + "\n--\n\n"
	for behind, want := range map[string]string{
		"Backup of prod done, 12 MB\n":            `comes "Backup of prod done, 12 MB", which`,
		strings.Repeat("\x00", 512):               `comes "\x00", which`,
		"pg_dump: warning: it's a circular key\n": `comes "pg_dump: warning: it's a circular key", which`,
		`C:\odoo>`: `comes "C:\\", which`,
	} {
		if _, err := scan(end + behind); !IsRefused(err) || !strings.Contains(err.Error(), "line 6: after the dump's last line") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", behind, err)
		}
	}
	if _, err := scan("SELECT 1;\nSELECT 'a"); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Error(err)
	}
}

// TestWithinTheDatabase has what looks like a statement about the cluster and
// is one of pg_dump's own.
func TestWithinTheDatabase(t *testing.T) {
	for _, stmt := range []string{
		`CREATE USER MAPPING FOR odoo SERVER s;`,
		`ALTER TABLE public.role ADD COLUMN x int;`,
		`CREATE TABLE "database" (x int);`,
		`DROP TABLE public."user";`,
		`GRANT SELECT("on") ON TABLE public."database" TO odoo;`,
		`GRANT ALL ON SCHEMA public TO PUBLIC;`,
		`REVOKE USAGE ON SCHEMA public FROM PUBLIC;`,
		`ALTER DEFAULT PRIVILEGES FOR ROLE odoo IN SCHEMA public GRANT ALL ON TABLES TO odoo;`,
		`COMMENT ON DATABASE old IS 'x';`,
		`SECURITY LABEL FOR x ON TABLE public.t IS 'y';`,
	} {
		if _, err := scan(stmt); err != nil {
			t.Errorf("%s: %v", stmt, err)
		}
	}
}

// TestFixture reads a dump of a real Odoo 18; COPY statements are counted by
// another program.
func TestFixture(t *testing.T) {
	z, err := zip.OpenReader("../testdata/o18.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open("dump.sql")
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	s := New(bytes.NewReader(all))
	copies, kinds := 0, map[PostKind]int{}
	for {
		it, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch it.Kind {
		case Copy:
			copies++
			if err := s.CopyData(io.Discard); err != nil {
				t.Fatal(err)
			}
		case Statement:
			kinds[Classify(it.Text).Kind]++
		}
	}
	grep := func(pattern string) string {
		c := exec.Command("grep", "-c", pattern)
		c.Stdin = bytes.NewReader(all)
		out, _ := c.Output()
		return strings.TrimSpace(string(out))
	}
	for _, c := range []struct {
		n    int
		want string
	}{
		{copies, grep("^COPY ")}, {kinds[Index], grep(`^CREATE \(UNIQUE \)\?INDEX`)},
		{kinds[Key], grep(`^    ADD CONSTRAINT .* \(PRIMARY KEY\|UNIQUE\)`)},
		{kinds[ForeignKey], grep(`^    ADD CONSTRAINT .* FOREIGN KEY`)},
	} {
		if got := strconv.Itoa(c.n); got != c.want || c.n == 0 {
			t.Errorf("%s, grep says %s", got, c.want)
		}
	}
	if s.Read() != int64(len(all)) {
		t.Errorf("offset %d of %d", s.Read(), len(all))
	}
}

func TestPolicy(t *testing.T) {
	p := Policy{ServerMajor: 15, HasRole: func(r string) bool { return r == "odoo" }}
	for stmt, drop := range map[string]bool{
		"SET transaction_timeout = 0;":                                                        true,
		"SET statement_timeout = 0;":                                                          false,
		"COMMENT ON EXTENSION pg_trgm IS 'x';":                                                true,
		"COMMENT ON SCHEMA public IS 'standard public schema';":                               true,
		"COMMENT ON SCHEMA \"public\" IS '';":                                                 true,
		"COMMENT ON TABLE public.t IS 'x';":                                                   false,
		"COMMENT ON DATABASE old IS 'x';":                                                     true,
		"CREATE SCHEMA public;":                                                               true,
		"CREATE SCHEMA other;":                                                                false,
		"ALTER TABLE public.t OWNER TO \"old role\";":                                         true,
		"ALTER TABLE public.t ADD COLUMN owner int;":                                          false,
		"ALTER TABLE ONLY public.t ALTER COLUMN x SET DEFAULT 'OWNER TO y';":                  false,
		"SET ROLE postgres;":                                                                  true,
		"RESET ROLE;":                                                                         true,
		"RESET SESSION AUTHORIZATION;":                                                        true,
		"SET SESSION AUTHORIZATION DEFAULT;":                                                  true,
		"GRANT ALL ON SCHEMA public TO PUBLIC;":                                               false,
		"REVOKE USAGE ON SCHEMA public FROM PUBLIC;":                                          false,
		"GRANT SELECT ON TABLE public.t TO odoo;":                                             false,
		"GRANT SELECT ON TABLE public.t TO odoo, readonly;":                                   true,
		"GRANT SELECT ON TABLE public.\"to x\" TO odoo;":                                      false,
		"ALTER DEFAULT PRIVILEGES FOR ROLE old IN SCHEMA public GRANT ALL ON TABLES TO odoo;": true,
	} {
		if got := p.Judge([]byte(stmt)); got.Drop != drop {
			t.Errorf("%s: %+v", stmt, got)
		}
	}
	for stmt, want := range map[string]Verdict{
		"CREATE EVENT TRIGGER \"a;b\" ON ddl_command_end EXECUTE FUNCTION public.f();": {Drop: true, Warn: `event trigger "a;b" was left out: only a superuser may create it`},
		"ALTER EVENT TRIGGER et DISABLE;":                                              {Drop: true},
		"COMMENT ON EVENT TRIGGER et IS 'x';":                                          {Drop: true},
		"CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (enabled = false);":   {Drop: true, Warn: `subscription "s" was left out: only a superuser may create it`},
		"CREATE PUBLICATION p FOR ALL TABLES WITH (publish = 'insert');":               {Drop: true, Warn: `publication "p" was left out: only a superuser may create it`},
		"CREATE PUBLICATION p WITH (publish = 'insert');":                              {},
		"ALTER PUBLICATION p ADD TABLE ONLY public.t;":                                 {},
		"ALTER PUBLICATION p ADD TABLES IN SCHEMA s;":                                  {Drop: true, Warn: `publication "p" was restored without its schemas: only a superuser may add them`},
		"COMMENT ON PUBLICATION p IS 'x';":                                             {Drop: true},
		"CREATE TABLE public.subscription (a int);":                                    {},
		"CREATE TRIGGER event BEFORE INSERT ON public.t EXECUTE FUNCTION f();":         {},
		"ALTER TABLE public.event ADD COLUMN trigger int;":                             {},
		"COMMENT ON TABLE public.publication IS 'x';":                                  {},
	} {
		got := p.Judge([]byte(stmt))
		if (got.Warn == "") != (got.Kind == "") {
			t.Errorf("%s: kind %q for %q", stmt, got.Kind, got.Warn)
		}
		if got.Kind, got.Name = "", ""; got != want {
			t.Errorf("%s: %+v", stmt, got)
		}
	}
	p.Owner = "odoo"
	for stmt, want := range map[string]Verdict{
		"ALTER DEFAULT PRIVILEGES FOR ROLE odoo IN SCHEMA public GRANT ALL ON TABLES TO odoo;":               {Later: true},
		"ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM PUBLIC;":                        {Later: true},
		"ALTER DEFAULT PRIVILEGES FOR ROLE odoo GRANT MAINTAIN ON TABLES TO odoo;":                           {Drop: true},
		"ALTER DEFAULT PRIVILEGES FOR ROLE odoo IN SCHEMA maintain GRANT SELECT,MAINTAIN ON TABLES TO odoo;": {Later: true, Instead: "ALTER DEFAULT PRIVILEGES FOR ROLE odoo IN SCHEMA maintain GRANT SELECT ON TABLES TO odoo;"},
		"ALTER DEFAULT PRIVILEGES FOR ROLE odoo GRANT MAINTAIN, UPDATE ON TABLES TO odoo;":                   {Later: true, Instead: "ALTER DEFAULT PRIVILEGES FOR ROLE odoo GRANT UPDATE ON TABLES TO odoo;"},
		"GRANT MAINTAIN,UPDATE ON TABLE public.t TO odoo;":                                                   {Instead: "GRANT UPDATE ON TABLE public.t TO odoo;"},
		"GRANT SELECT,MAINTAIN,UPDATE ON TABLE public.maintain TO odoo;":                                     {Instead: "GRANT SELECT,UPDATE ON TABLE public.maintain TO odoo;"},
		"REVOKE MAINTAIN ON TABLE public.t FROM odoo;":                                                       {Drop: true},
		"GRANT SELECT ON TABLE public.maintain TO odoo;":                                                     {},
		"ALTER TABLE ONLY public.t FORCE ROW LEVEL SECURITY;":                                                {Later: true},
		"ALTER TABLE public.t NO FORCE ROW LEVEL SECURITY;":                                                  {},
		"ALTER TABLE ONLY public.t FORCE ROW LEVEL SECURITY, ADD COLUMN x int DEFAULT f();":                  {},
		"ALTER DEFAULT PRIVILEGES FOR ROLE odoo GRANT SELECT ON TABLES TO nobody;":                           {Drop: true, Warn: `privileges of role "nobody" were left out: there is no such role on this server`},
		"ALTER DEFAULT PRIVILEGES FOR USER odoo, postgres IN SCHEMA s GRANT ALL ON TABLES TO odoo;":          {Drop: true, Warn: `default privileges of role "postgres" were left out: everything restored belongs to role "odoo"`},
	} {
		got := p.Judge([]byte(stmt))
		if (got.Warn == "") != (got.Kind == "") {
			t.Errorf("%s: kind %q for %q", stmt, got.Kind, got.Warn)
		}
		if got.Kind, got.Name = "", ""; got != want {
			t.Errorf("%s: %+v", stmt, got)
		}
	}
	if (Policy{ServerMajor: 17}).Judge([]byte("SET transaction_timeout = 0;")).Drop {
		t.Error("17 has transaction_timeout")
	}
	if e, sch, ok := Extension([]byte("CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA public;")); e != "uuid-ossp" || sch != "public" || !ok {
		t.Error(e, sch, ok)
	}
}

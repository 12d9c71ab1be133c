package cluster

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/quote"
	"github.com/odpm/odpm/host/wording"
)

// dumpTime is for the roles of a cluster, a few rows each.
const dumpTime = 5 * time.Minute

// dumpRoles writes all roles with their verifiers, as pg_dumpall --roles-only
// does, before the first change. Where no pg_dumpall fits the server, the
// catalogs that were read are written down instead; note says so.
func dumpRoles(ctx context.Context, pg engine.Remote, admin, database string, h Hints, r *roles) (dump []byte, note string) {
	out := &wording.Answer{Max: 64 << 20}
	ctx, cancel := context.WithTimeout(ctx, dumpTime)
	defer cancel()
	env := []string{"PGAPPNAME=odpm", AdminOptions(r.major())}
	if p := h.passwordOf(admin); p != "" {
		env = append(env, "PGPASSWORD="+p)
	}
	err := pg.Command(ctx, engine.Command{
		Argv: []string{"pg_dumpall", "--roles-only", "--no-password", "-l", database, "-U", admin},
		Env:  env, Stdout: out,
	})
	if err == nil && bytes.Contains(out.Bytes(), []byte("CREATE ROLE")) {
		return out.Bytes(), ""
	}
	if err == nil {
		err = fmt.Errorf("its output contains no role")
	}
	return r.dump(), "the roles were saved from the catalogs, without comments and security labels, since pg_dumpall could not be used: " + firstLine(err.Error())
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// dump writes what was read as SQL that pg_dumpall's readers know.
func (r *roles) dump() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "-- Roles of a PostgreSQL %d cluster, %s, read from its catalogs by odpm.\n-- It contains password verifiers: keep it private.\n\nSET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n\n", r.major(), time.Now().UTC().Format(time.RFC3339))
	for _, x := range r.Roles {
		fmt.Fprintf(&b, "CREATE ROLE %s;\nALTER ROLE %s WITH %s;\n", quote.Ident(x.Name), quote.Ident(x.Name), x.options())
	}
	b.WriteString("\n")
	for _, m := range r.Members {
		fmt.Fprintf(&b, "GRANT %s TO %s", quote.Ident(m.Role), quote.Ident(m.Member))
		if m.Inherit != nil && m.Set != nil {
			fmt.Fprintf(&b, " WITH ADMIN %s, INHERIT %s, SET %s", upper(m.Admin), upper(*m.Inherit), upper(*m.Set))
		} else if m.Admin {
			b.WriteString(" WITH ADMIN OPTION")
		}
		if m.Grantor != "" {
			b.WriteString(" GRANTED BY " + quote.Ident(m.Grantor))
		}
		b.WriteString(";\n")
	}
	for _, s := range r.Settings {
		for _, c := range s.Config {
			name, value, _ := strings.Cut(c, "=")
			in := ""
			if s.Database != "" {
				in = " IN DATABASE " + quote.Ident(s.Database)
			}
			fmt.Fprintf(&b, "ALTER ROLE %s%s SET %s;\n", quote.Ident(s.Role), in, SettingSQL(name, value))
		}
	}
	return b.Bytes()
}

// options are all of a role's attributes.
func (x role) options() string {
	var out []string
	for _, o := range []struct {
		on   bool
		name string
	}{{x.Super, "SUPERUSER"}, {x.Inherit, "INHERIT"}, {x.CreateRole, "CREATEROLE"}, {x.CreateDB, "CREATEDB"}, {x.Login, "LOGIN"}, {x.Replication, "REPLICATION"}, {x.BypassRLS, "BYPASSRLS"}} {
		if !o.on {
			o.name = "NO" + o.name
		}
		out = append(out, o.name)
	}
	if x.ConnLimit != -1 {
		out = append(out, fmt.Sprintf("CONNECTION LIMIT %d", x.ConnLimit))
	}
	if x.Password != "" {
		out = append(out, "PASSWORD "+quote.Literal(x.Password))
	}
	if x.Until != "" {
		out = append(out, "VALID UNTIL "+quote.Literal(x.Until))
	}
	return strings.Join(out, " ")
}

func upper(b bool) string { return strings.ToUpper(fmt.Sprint(b)) }

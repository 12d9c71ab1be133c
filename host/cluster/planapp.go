package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/quote"
)

// ensureApp makes the application role, or corrects what keeps Odoo from
// working with it: no LOGIN, another password, an expiry that has passed, no
// connection allowed, no CREATEDB, SUPERUSER.
func (plan *Plan) ensureApp(r *roles, w Wanted, p policy) error {
	x := r.find(w.Role)
	if x == nil {
		v, err := Verifier("", w.Role, w.Password)
		if err != nil {
			return err
		}
		plan.add(w.Role, fmt.Sprintf("make the application role %s", shown(w.Role)),
			"CREATE ROLE "+quote.Ident(w.Role)+" LOGIN NOSUPERUSER CREATEDB PASSWORD "+quote.Literal(v))
		return nil
	}
	var options, why []string
	set := func(option, reason string) { options, why = append(options, option), append(why, reason) }
	if !x.Login {
		set("LOGIN", "it may not log in")
	}
	if x.Super {
		plan.demote(r, x, p, set)
	}
	if !x.CreateDB {
		set("CREATEDB", "it may not create databases")
	}
	if x.ConnLimit == 0 {
		set("CONNECTION LIMIT -1", "its connection limit is 0")
	} else if x.ConnLimit > 0 {
		plan.report("role %s may have %d connections at a time; Odoo needs up to db_maxconn for each of its workers", shown(w.Role), x.ConnLimit)
	}
	if x.Expired {
		set("VALID UNTIL 'infinity'", "its password expired on "+x.Until)
	} else if x.Until != "" {
		plan.report("the password of role %s expires on %s", shown(w.Role), x.Until)
	}
	reason := passwordReason(r, x, w)
	if reason != "" && w.Unsaid && (r.Lesser || x.Password != "" && !Matches(x.Password, w.Role, w.Password)) {
		return fmt.Errorf("odpm cannot find out which password Odoo uses, and the role's password differs from the default, %q. "+
			"The role was not changed, because a new password would lock Odoo out. Set Odoo's own password in .env (POSTGRES_ODOO_PASS=…), then run the same command again", w.Password)
	}
	if reason != "" {
		v, err := Verifier("", w.Role, w.Password)
		if err != nil {
			return err
		}
		set("PASSWORD "+quote.Literal(v), reason)
	}
	if len(options) > 0 {
		plan.add(w.Role, fmt.Sprintf("change the application role %s: %s", shown(w.Role), strings.Join(why, ", ")),
			"ALTER ROLE "+quote.Ident(w.Role)+" "+strings.Join(options, " "))
	}
	plan.reportPower(r, x)
	plan.reportSettings(r, x)
	return nil
}

// demote takes SUPERUSER where the server allows it, together with what only a
// superuser had been given and what would outlive it.
func (plan *Plan) demote(r *roles, x *role, p policy, set func(option, why string)) {
	switch {
	case x.OID == bootstrapOID && r.major() >= 16:
		plan.report("role %s is the superuser that initdb made (OID 10), and PostgreSQL %d does not let anybody demote it: it stays a superuser. "+
			"To get rid of that, dump the databases and restore them into a cluster whose superuser is postgres", shown(x.Name), r.major())
		return
	case p.keepSuper:
		plan.report("role %s stays a superuser: no other administrator is known to be able to log in, and without one nobody could repair this cluster", shown(x.Name))
		return
	}
	options, kept := "NOSUPERUSER", []string(nil)
	for _, o := range x.powers() {
		options, kept = options+" NO"+o, append(kept, o)
	}
	why := "it is a superuser"
	if len(kept) > 0 {
		why += " (and would keep " + strings.Join(kept, ", ") + ")"
	}
	set(options, why)
	if x.OID == bootstrapOID {
		plan.report("role %s is the superuser that initdb made (OID 10). PostgreSQL %d lets it be demoted, which is neither harmless nor complete: it still owns the system catalogs, "+
			"reads every password verifier in pg_authid, and owns the databases postgres and template1. To get rid of that, dump the databases and restore them into a cluster whose superuser is postgres", shown(x.Name), r.major())
	}
}

// passwordReason says why the stored password has to be replaced, "" if it
// need not be.
func passwordReason(r *roles, x *role, w Wanted) string {
	switch {
	case r.Proven:
		return ""
	case r.Lesser:
		return "odpm can compare its password only as superuser"
	case x.Password == "":
		return "it has no password"
	case !Matches(x.Password, w.Role, w.Password):
		return "its password differs from the project's"
	case encryptionOf(x.Password) == "md5" && r.ScramOnly:
		return "its password is stored as md5, and pg_hba.conf asks for scram-sha-256"
	}
	return ""
}

// powers are the rights beside SUPERUSER that Odoo has no use for.
func (x *role) powers() []string {
	var out []string
	for _, o := range []struct {
		has  bool
		name string
	}{{x.CreateRole, "CREATEROLE"}, {x.Replication, "REPLICATION"}, {x.BypassRLS, "BYPASSRLS"}} {
		if o.has {
			out = append(out, o.name)
		}
	}
	return out
}

// dangerous are PostgreSQL's roles that reach the operating system or
// everybody's data.
var dangerous = []string{"pg_execute_server_program", "pg_read_server_files", "pg_write_server_files", "pg_write_all_data", "pg_read_all_data"}

// reportPower names what the application role has beyond its needs and odpm
// does not take away: somebody gave it on purpose.
func (plan *Plan) reportPower(r *roles, x *role) {
	if !x.Super {
		has := x.powers()
		if len(has) > 0 {
			plan.report("role %s has %s, which Odoo does not need: left as it is", shown(x.Name), strings.Join(has, ", "))
		}
		if x.OID == bootstrapOID {
			plan.report("role %s is the role that initdb made (OID 10), demoted: it still owns the system catalogs and reads every password verifier", shown(x.Name))
		}
	}
	for _, name := range r.memberOf(x.Name) {
		if g := r.find(name); g != nil && g.Super || slices.Contains(dangerous, name) {
			plan.report("role %s is a member of %s and can use its rights: left as it is", shown(x.Name), shown(name))
		}
	}
}

// reportSettings names what somebody gave the role to begin each session with
// and Odoo does not expect: a login proves nothing about it.
func (plan *Plan) reportSettings(r *roles, x *role) {
	for _, s := range r.Settings {
		if s.Role != x.Name {
			continue
		}
		reset, where := "ALTER ROLE "+quote.Ident(x.Name), ""
		if s.Database != "" {
			reset, where = reset+" IN DATABASE "+quote.Ident(s.Database), " in database "+shown(s.Database)
		}
		for _, c := range s.Config {
			name, value, _ := strings.Cut(c, "=")
			why := ""
			switch {
			case name == "default_transaction_read_only" && value != "off":
				why = "Odoo cannot write"
			case name == "role" && value != "none" && value != x.Name:
				why = "Odoo works with that role's rights, and owns nothing itself"
			case name == "search_path" && !slices.ContainsFunc(strings.Split(value, ","), func(p string) bool { return strings.Trim(p, ` "`) == "public" }):
				why = "Odoo looks for its tables in public"
			default:
				continue
			}
			plan.report("each session of role %s%s begins with %s = %s: %s. Left as it is; to undo it: %s RESET %s", shown(x.Name), where, name, shown(value), why, reset, name)
		}
	}
}

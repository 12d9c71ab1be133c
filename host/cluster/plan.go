package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/quote"
)

// Statement is one change to a role.
type Statement struct {
	// SQL carries a verifier, never a password; Masked is for people to read.
	SQL, Masked string
	// What the statement does, in words.
	What string
	// Role is the role that it makes or changes.
	Role string
}

// Plan is what would be done, in its order.
type Plan struct {
	// Statements are the administrator's first, then the application role's.
	Statements []Statement
	// Reports are things that odpm found and leaves as they are.
	Reports []string
	// Admin is the administrator that the statements make or repair, "" for none.
	Admin string
}

// NoChange tells whether the roles are as they should be.
func (p Plan) NoChange() bool { return len(p.Statements) == 0 }

// Masked lists the statements for people to read.
func (p Plan) Masked() []string {
	out := make([]string, 0, len(p.Statements))
	for _, s := range p.Statements {
		out = append(out, s.Masked)
	}
	return out
}

// administrator is the superuser that a connection proves to be usable; the
// application role is none, since it is about to lose that.
func administrator(conn *Session, w Wanted) string {
	if u := conn.Config().User; u != w.Role {
		return u
	}
	return ""
}

// policy is what planRoles must know beside the catalogs.
type policy struct {
	// admin is a superuser other than the application role that was seen to log in.
	admin string
	// adminPassword is given to an administrator that has to be made.
	adminPassword string
	// refused: superusers exist that have LOGIN, and pg_hba.conf or an unknown
	// password kept odpm out; another one would be kept out as well.
	refused bool
	// free are names that pg_hba.conf let through to where the server found no
	// such role, or one without LOGIN: as these an administrator could log in.
	free []string
	// keepSuper leaves the application role's SUPERUSER alone.
	keepSuper bool
}

// planRoles is pure: what the catalogs say in, what is to be done out.
func planRoles(r *roles, w Wanted, p policy) (Plan, error) {
	var plan Plan
	if err := plan.ensureAdmin(r, w, p); err != nil {
		return plan, err
	}
	if err := plan.ensureApp(r, w, p); err != nil {
		return plan, err
	}
	if r.InRecovery && !plan.NoChange() {
		return plan, fmt.Errorf("the cluster is a standby (it is in recovery), where roles cannot be changed, but changes are needed (%s); make them on its primary, or promote it", strings.Join(plan.Masked(), "; "))
	}
	for _, line := range r.Trusting {
		plan.report("line %d of pg_hba.conf lets clients in over TCP without a password, as any role it names: whoever reaches the port is in. Replace trust with scram-sha-256", line)
	}
	return plan, nil
}

// ensureAdmin makes or repairs an administrator only where there is none to
// use, and never touches the password of one that is there.
func (plan *Plan) ensureAdmin(r *roles, w Wanted, p policy) error {
	if p.admin != "" {
		return nil
	}
	if others := r.admins(w.Role); p.refused && len(others) > 0 && !slices.Contains(p.free, defaultAdmin) {
		plan.report("%s may log in as superuser, but not odpm over the server's own socket (pg_hba.conf, or a password that odpm does not know): left as it is", list(others))
		return nil
	}
	if app := r.find(w.Role); app != nil && app.OID == bootstrapOID && app.Super && r.major() >= 16 {
		// It stays a superuser whatever anybody does, so it is the
		// administrator; a second one would only be a second key.
		return nil
	}
	name := defaultAdmin
	x := r.find(name)
	if x != nil && !x.Super && x.OID != bootstrapOID {
		// Somebody's ordinary role: its password is known to whoever uses it,
		// and must not become a superuser's.
		plan.report("role %s exists and is not a superuser: left as it is; the administrator is called %s", shown(name), shown(spareAdmin))
		name = spareAdmin
		if x = r.find(name); x != nil && !x.Super {
			return fmt.Errorf("the cluster has no superuser to use, and both %s and %s are ordinary roles; give one of its superusers LOGIN, or rename one of the two", defaultAdmin, spareAdmin)
		}
	}
	if x == nil {
		return plan.createAdmin(name, p)
	}
	var options []string
	if !x.Login {
		options = append(options, "LOGIN")
	}
	if !x.Super {
		options = append(options, "SUPERUSER")
	}
	if len(options) == 0 {
		return nil
	}
	plan.Admin = name
	plan.add(name, fmt.Sprintf("give the administrator %s %s back (its password stays)", shown(name), strings.Join(options, ", ")),
		"ALTER ROLE "+quote.Ident(name)+" "+strings.Join(options, " "))
	return nil
}

func (plan *Plan) createAdmin(name string, p policy) error {
	sql := "CREATE ROLE " + quote.Ident(name) + " LOGIN SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS"
	what := fmt.Sprintf("make the administrator %s, since no superuser can be used", shown(name))
	if p.adminPassword != "" {
		v, err := Verifier("", name, p.adminPassword)
		if err != nil {
			return err
		}
		sql += " PASSWORD " + quote.Literal(v)
	} else {
		what += " (without a password: over the server's own socket only)"
	}
	plan.Admin = name
	plan.add(name, what, sql)
	return nil
}

func (plan *Plan) add(role, what, sql string) {
	plan.Statements = append(plan.Statements, Statement{SQL: sql, Masked: mask(sql), What: what, Role: role})
}

func (plan *Plan) report(format string, args ...any) {
	plan.Reports = append(plan.Reports, fmt.Sprintf(format, args...))
}

func list(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, shown(n))
	}
	return strings.Join(out, ", ")
}

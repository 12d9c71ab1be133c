package apply

import (
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/quote"
	"github.com/odpm/odpm/host/state"
)

// ready waits for the server at the port where it listens: a command (postgres -p)
// or a file of its own may have moved that, which psql in the container does not know.
const ready = `said=$PGPORT; export PGPORT; until PGPORT=$(sed -n 4p "$PGDATA/postmaster.pid" 2>/dev/null || printf %s "$said"); pg_isready -q; do sleep 0.2; done; `

// rolesScript gives PostgreSQL the roles as they were saved. That they exist is no
// error: what they were follows in the same file. odpm made postgres where it could
// demote the image's POSTGRES_USER; where it could not, that is a superuser still.
const rolesScript = ready + `for as in postgres "$ODPM_ADMIN"; do
	[ "$(psql -X -U "$as" -d postgres -Atc 'SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user' 2>/dev/null)" = t ] && break
done
printf '%s' "$ODPM_ROLES" | psql -X -q -U "$as" -d postgres`

// dropScript drops a role by one that was a superuser before.
const dropScript = ready + `psql -X -q -v ON_ERROR_STOP=1 -U "$ODPM_ADMIN" -d postgres -c "DROP ROLE IF EXISTS $ODPM_ROLE"`

// givenBackRoles undoes what the adoption changed in roles, an official image's
// POSTGRES_USER among them, which was a superuser. made are those that odpm makes
// where they are missing.
func givenBackRoles(ctx context.Context, o Options, dirs state.Dirs, a *state.Adoption, stack engine.TheirStack, made []string) {
	all, _ := filepath.Glob(filepath.Join(dirs.State(), "roles-*.sql"))
	slices.Sort(all)
	for _, path := range all {
		info, err := os.Stat(path)
		if err != nil || info.ModTime().Before(a.At) {
			continue
		}
		if !slices.Contains(a.Ran, a.Postgres) {
			o.Term.Warn("PostgreSQL was not running before the takeover, so the roles that odpm changed stay changed; their previous state is in %s", path)
			return
		}
		sql, err := os.ReadFile(path)
		admin, had := savedRoles(string(sql))
		if err == nil {
			err = roleScript(ctx, stack, a.Postgres, rolesScript, "ODPM_ADMIN="+cmp.Or(admin, "postgres"), "ODPM_ROLES="+withoutPasswords(string(sql)))
		}
		if err != nil {
			o.Term.Warn("the roles could not be restored: %v. Their previous state is in %s", err, path)
			return
		}
		for _, role := range slices.Compact(made) {
			if admin == "" || slices.Contains(had, role) {
				continue
			}
			if err := roleScript(ctx, stack, a.Postgres, dropScript, "ODPM_ADMIN="+admin, "ODPM_ROLE="+quote.Ident(role)); err != nil {
				o.Term.Warn("the role %s, which odpm made, could not be dropped; if it owns nothing that you need: DROP OWNED BY %s; DROP ROLE %[2]s", role, quote.Ident(role))
			}
		}
		o.Term.Step("the roles are restored to their previous state (%s)", filepath.Base(path))
		return // the first one since is from before every change
	}
}

var (
	createRole = regexp.MustCompile(`(?m)^CREATE ROLE (.+);$`)
	alterRole  = regexp.MustCompile(`(?m)^ALTER ROLE ("(?:[^"]|"")*"|\S+) (WITH .*;)$`)
	superuser  = regexp.MustCompile(`(?m)^ALTER ROLE (.+?) WITH SUPERUSER .*\bLOGIN\b`)
)

// withoutPasswords has pg_dumpall's text take a password away again from a role that
// had none, which the text leaves out. A text of odpm's own, from the catalogs, may not
// know it.
func withoutPasswords(sql string) string {
	if !strings.HasPrefix(strings.TrimLeft(sql, "-\n "), "PostgreSQL database cluster dump") {
		return sql
	}
	return alterRole.ReplaceAllStringFunc(sql, func(line string) string {
		m := alterRole.FindStringSubmatch(line)
		if strings.Contains(m[2], " PASSWORD '") {
			return line
		}
		return line + "\nALTER ROLE " + m[1] + " PASSWORD NULL;"
	})
}

// savedRoles are the roles in pg_dumpall's text, and one that is a superuser.
func savedRoles(sql string) (admin string, names []string) {
	name := func(word string) string {
		if inner, ok := strings.CutPrefix(word, `"`); ok {
			return strings.ReplaceAll(strings.TrimSuffix(inner, `"`), `""`, `"`)
		}
		return word
	}
	for _, m := range createRole.FindAllStringSubmatch(sql, -1) {
		names = append(names, name(m[1]))
	}
	if m := superuser.FindStringSubmatch(sql); m != nil {
		admin = name(m[1])
	}
	return admin, names
}

func roleScript(ctx context.Context, stack engine.TheirStack, service, script string, env ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := stack.Container(ctx, service)
	if err != nil {
		return err
	}
	return stack.Exec(ctx, c, []string{"sh", "-c", script}, env, io.Discard)
}

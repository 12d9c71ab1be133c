// Package adminpass gives Odoo's administrator a login and a password.
package adminpass

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/host/quote"
	"github.com/odpm/odpm/shared/shell"
)

// Password is what --set-admin-pass wants.
type Password struct {
	Database string
	// Login is the administrator's new login; empty keeps the present one.
	Login    string
	Password string
}

// Report says what was done and what a person should know about it.
type Report struct {
	// XMLID is "base.user_admin", or "base.user_root" on Odoo 11.
	XMLID               string
	UserID              int
	Login, FormerLogin  string
	OdooMajor           int
	Rounds              int
	Inactive, TwoFactor bool
	// APIKeys still open the account: a new password does not revoke them.
	APIKeys int
	// Signalled names the sequences and tables through which running Odoo
	// workers learn that their caches are stale.
	Signalled []string
}

// loginTakenError is a login that another user of the database has.
type loginTakenError struct {
	database, login string
	user            int
	active          bool
}

func (e *loginTakenError) Error() string {
	state := "an active user"
	if !e.active {
		state = "an archived user"
	}
	who := ""
	if e.user != 0 {
		who = fmt.Sprintf(" (id %d)", e.user)
	}
	return fmt.Sprintf("login %q is taken in database %q by %s%s; choose another db_default_admin_login in user_settings.json, or rename that user in Odoo", e.login, e.database, state, who)
}

// IsLoginTaken says whether Set failed because another user has the login.
func IsLoginTaken(err error) bool {
	var e *loginTakenError
	return errors.As(err, &e)
}

// Set gives Odoo's administrator a login and a password and tells
// running Odoo workers about it. It connects as the application role and not
// as a superuser, since triggers of the database would run with its rights.
func Set(ctx context.Context, s *server.Server, a Password) (Report, error) {
	var rep Report
	if err := server.CheckName(a.Database); err != nil {
		return rep, err
	}
	if a.Password == "" {
		return rep, errors.New("the administrator's password is empty; set db_creation_data.db_default_admin_password in user_settings.json")
	}
	if strings.ContainsRune(a.Password, 0) {
		return rep, errors.New("the administrator's password contains a NUL character, which Odoo cannot verify")
	}
	c, err := s.App(ctx, a.Database)
	if err != nil {
		return rep, err
	}
	defer engine.Close(c)

	err = s.Unblocked(ctx, server.SessionOf(c), func(ctx context.Context) error { return set(ctx, s, c, a, &rep) })
	if server.IsLocked(err) {
		return rep, fmt.Errorf("the password in database %q was not changed: %w", a.Database, err)
	}
	return rep, s.ExplainDenied(ctx, a.Database, err)
}

func set(ctx context.Context, s *server.Server, c *pgx.Conn, a Password, rep *Report) error {
	major, err := tables.OdooMajor(ctx, c, a.Database)
	if err != nil {
		return err
	}
	rep.OdooMajor = major
	users, err := tables.Columns(ctx, c, "res_users")
	if err != nil {
		return err
	}
	if rep.Rounds, err = passwordRounds(ctx, s, c, a.Database, major); err != nil {
		return err
	}
	// Half a second of work, outside of the transaction that holds the row.
	hash, err := hashPassword(ctx, a.Password, rep.Rounds)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if err := findAdmin(ctx, tx, a.Database, major, users, rep); err != nil {
			return err
		}
		rep.Login = a.Login
		if rep.Login == "" {
			rep.Login = rep.FormerLogin
		}
		if err := loginFree(ctx, tx, a.Database, *rep); err != nil {
			return err
		}
		if err := storePassword(ctx, tx, users, *rep, hash); err != nil {
			return err
		}
		rep.Signalled, err = signalCaches(ctx, tx)
		return err
	})
}

// findAdmin locks the administrator's row and reads what is to be reported.
func findAdmin(ctx context.Context, tx pgx.Tx, database string, major int, users map[string]bool, rep *Report) error {
	names := []string{"user_admin"}
	if major <= 11 {
		// Until 11 the administrator was the superuser of the ORM, id 1.
		names = append(names, "user_root")
	}
	for _, n := range names {
		err := tx.QueryRow(ctx, `SELECT u.id, u.login, coalesce(u.active, false) FROM public.ir_model_data d
			JOIN public.res_users u ON u.id = d.res_id
			WHERE d.module = 'base' AND d.name = $1 AND d.model = 'res.users' FOR UPDATE OF u`, n).
			Scan(&rep.UserID, &rep.FormerLogin, &rep.Inactive)
		if errors.Is(err, pgx.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		rep.XMLID, rep.Inactive = "base."+n, !rep.Inactive
		break
	}
	if rep.XMLID == "" {
		return fmt.Errorf("database %q has no user base.%s: the administrator was deleted; set the password of another user in Odoo", database, names[0])
	}
	if users["totp_secret"] {
		if err := tx.QueryRow(ctx, `SELECT coalesce(totp_secret, '') <> '' FROM public.res_users WHERE id = $1`, rep.UserID).Scan(&rep.TwoFactor); err != nil {
			return err
		}
	}
	keys, err := tables.Columns(ctx, tx, "res_users_apikeys")
	if err != nil {
		return err
	}
	if keys["user_id"] {
		return tx.QueryRow(ctx, `SELECT count(*) FROM public.res_users_apikeys WHERE user_id = $1`, rep.UserID).Scan(&rep.APIKeys)
	}
	return nil
}

func loginFree(ctx context.Context, tx pgx.Tx, database string, rep Report) error {
	if rep.Login == rep.FormerLogin {
		return nil
	}
	e := &loginTakenError{database: database, login: rep.Login}
	err := tx.QueryRow(ctx, `SELECT id, coalesce(active, false) FROM public.res_users WHERE login = $1 AND id <> $2`, rep.Login, rep.UserID).Scan(&e.user, &e.active)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return e
}

func storePassword(ctx context.Context, tx pgx.Tx, users map[string]bool, rep Report, hash string) error {
	set := []string{"login = secret.login"}
	switch {
	case users["password_crypt"]:
		// auth_crypt of Odoo 11 and before: the clear-text column is emptied,
		// or the module would take it for a password that is not hashed yet.
		set = append(set, "password_crypt = secret.hash", "password = ''")
	case rep.OdooMajor <= 11:
		return fmt.Errorf("the database is from Odoo %d without the module auth_crypt, which keeps passwords in clear text; install auth_crypt first", rep.OdooMajor)
	default:
		set = append(set, "password = secret.hash")
	}
	if users["write_date"] {
		set = append(set, "write_date = (now() AT TIME ZONE 'UTC')")
	}
	if err := secretly(ctx, tx, rep.UserID, rep.Login, hash, set); err != nil {
		var pgErr *pgconn.PgError
		switch {
		case !errors.As(err, &pgErr):
			return err
		case pgErr.Code == "23505":
			return &loginTakenError{database: tx.Conn().Config().Database, login: rep.Login, active: true}
		case pgErr.Code == rowsChanged:
			return fmt.Errorf("user %d: %s rows changed instead of 1 (a rule or trigger of the database interferes)", rep.UserID, pgErr.Message)
		}
		return err
	}
	return nil
}

// rowsChanged is the SQLSTATE with which the block below says how many rows it
// has changed, where that is not one.
const rowsChanged = "ZZ001"

// secretly sets columns of a user from a row called secret, with the columns
// login and hash. The role is no superuser and cannot keep its statements, their
// parameters and their plans out of the server's log (log_statement,
// log_min_duration_statement, debug_print_plan, auto_explain, pgaudit), so the
// hash is in none of them: it comes as COPY data, in pieces of which an error's
// context would show one. A refused UPDATE would show the whole row in its
// detail, so the block passes on its code and message alone.
func secretly(ctx context.Context, tx pgx.Tx, user int, login, hash string, set []string) error {
	name := quote.Ident("odpm_" + server.Token())
	if _, err := tx.Exec(ctx, `CREATE TEMPORARY TABLE `+name+` (place pg_catalog.int4, login pg_catalog.text, hash pg_catalog.text) ON COMMIT DROP`); err != nil {
		return err
	}
	var data bytes.Buffer
	const piece = 8
	for i := 0; i < len(hash); i += piece {
		fmt.Fprintf(&data, "%d\t%s\t%s\n", i, copyText.Replace(login), copyText.Replace(hash[i:min(i+piece, len(hash))]))
	}
	if _, err := tx.Conn().PgConn().CopyFrom(ctx, &data, `COPY pg_temp.`+name+` FROM STDIN`); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DO $odpm$
		DECLARE n pg_catalog.int8;
		BEGIN
			UPDATE public.res_users u SET `+strings.Join(set, ", ")+`
				FROM (SELECT pg_catalog.min(s.login) AS login, pg_catalog.string_agg(s.hash, '' ORDER BY s.place) AS hash FROM pg_temp.`+name+` s) secret
				WHERE u.id = `+strconv.Itoa(user)+`;
			GET DIAGNOSTICS n = ROW_COUNT;
			IF n <> 1 THEN
				RAISE EXCEPTION USING ERRCODE = '`+rowsChanged+`', MESSAGE = n::pg_catalog.text;
			END IF;
		EXCEPTION WHEN OTHERS THEN
			RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM;
		END $odpm$`)
	return err
}

// copyText escapes a value for COPY's text format.
var copyText = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

// signalCaches tells every Odoo worker to drop its caches; without it a
// running Odoo keeps accepting the old password and its sessions. Up to Odoo
// 18 the signals are sequences, from 19 tables that a row is added to.
func signalCaches(ctx context.Context, tx pgx.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT c.relname::pg_catalog.text, c.relkind::pg_catalog.text
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
		WHERE n.nspname OPERATOR(pg_catalog.=) 'public'::pg_catalog.name AND (
			c.relkind OPERATOR(pg_catalog.=) 'S'::pg_catalog."char" AND
				c.relname OPERATOR(pg_catalog.~) '^base_(registry_signaling|cache_signaling(_.*)?)$'::pg_catalog.text
			OR c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char" AND pg_catalog.starts_with(c.relname::pg_catalog.text, 'orm_signaling_'::pg_catalog.text))
		ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	type signal struct{ Name, Kind string }
	signals, err := pgx.CollectRows(rows, pgx.RowToStructByPos[signal])
	if err != nil {
		return nil, err
	}
	var names []string
	for _, sig := range signals {
		table := quote.Ident("public", sig.Name)
		if sig.Kind == "S" {
			_, err = tx.Exec(ctx, `SELECT pg_catalog.nextval($1::pg_catalog.regclass)`, table)
		} else {
			_, err = tx.Exec(ctx, `INSERT INTO `+table+` DEFAULT VALUES`)
		}
		if err != nil {
			return nil, fmt.Errorf("signal the caches through %s: %w", sig.Name, err)
		}
		names = append(names, sig.Name)
	}
	return names, nil
}

// maxRounds is more than ten times what Odoo uses, some ten seconds of work.
// With more nobody could log in to Odoo either.
const maxRounds = 10_000_000

// passwordRounds is the work factor that Odoo of this version uses itself: 25000
// (passlib's default) up to 15, 600000 from 16, and from 17 the parameter
// password.hashing.rounds where it asks for more.
func passwordRounds(ctx context.Context, s *server.Server, q tables.Querier, database string, major int) (int, error) {
	if major < 16 {
		return 25000, nil
	}
	const floor = 600000
	if major < 17 {
		return floor, nil
	}
	var value string
	err := q.QueryRow(ctx, `SELECT coalesce(value, '') FROM public.ir_config_parameter WHERE key = 'password.hashing.rounds'`).Scan(&value)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(value))
	if n > maxRounds && (err == nil || errors.Is(err, strconv.ErrRange)) {
		return 0, fmt.Errorf("database %q asks for %.40s rounds of hashing (system parameter password.hashing.rounds), but odpm computes at most %d; to return to Odoo's own default of %d: %s -d %s -c %s",
			database, strings.TrimSpace(value), maxRounds, floor, s.PG.Psql(ctx, s.AppRole), shell.Quote(server.Conninfo(database)),
			shell.Quote(`DELETE FROM public.ir_config_parameter WHERE key = 'password.hashing.rounds'`))
	}
	if err == nil && n > floor {
		return n, nil
	}
	return floor, nil
}

package cluster

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// guesses are tried for each superuser, the role's own name before them: what the
// compose files of Odoo's and PostgreSQL's documentation set.
var guesses = []string{"odoo", "postgres", "admin"}

// guessedSuperusers compares stored verifiers; nothing is tried over a connection.
func guessedSuperusers(ctx context.Context, conn *Session) ([]string, error) {
	type stored struct{ Name, Verifier string }
	rows, err := conn.Query(ctx, `SELECT rolname::pg_catalog.text, rolpassword FROM pg_catalog.pg_authid
		WHERE rolsuper AND rolcanlogin AND rolpassword IS NOT NULL ORDER BY oid`)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[stored])
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range all {
		if scram, ok := parseSCRAM(s.Verifier); ok && scram.iterations > 10*scramIterations {
			continue // a look is no place to compute for seconds
		}
		for _, guess := range unique(append([]string{s.Name}, guesses...)) {
			if Matches(s.Verifier, s.Name, guess) {
				out = append(out, s.Name)
				break
			}
		}
	}
	return out, nil
}

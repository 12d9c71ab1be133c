package restore_test

import (
	"testing"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/neutralize"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
)

// TestNeutralizeUnique: where no two rows may have the same secret, and none may have
// no secret, each is given one of its own, whichever index says so.
func TestNeutralizeUnique(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.OldOdoo(t, s, "db", "14.0.1.3",
		`CREATE TABLE ir_mail_server (id serial PRIMARY KEY, name varchar, smtp_host varchar, active boolean)`,
		`CREATE TABLE social_account (id serial PRIMARY KEY, company_id int DEFAULT 1, access_token varchar NOT NULL UNIQUE, media_secret varchar(2) NOT NULL,
			app_key varchar NOT NULL, refresh_token varchar UNIQUE, UNIQUE (company_id, media_secret))`,
		`CREATE UNIQUE INDEX ON social_account (lower(app_key))`,
		`CREATE TABLE amazon_account (seller_key varchar NOT NULL UNIQUE)`,
		`CREATE TABLE account_online_link (id serial PRIMARY KEY, client_id varchar UNIQUE)`,
		`INSERT INTO social_account (access_token, media_secret, app_key, refresh_token) SELECT 'live' || n, n, 'live' || n, 'live' || n FROM generate_series(11, 13) n`,
		`INSERT INTO amazon_account SELECT 'live' || n FROM generate_series(1, 3) n`,
		`INSERT INTO account_online_link (client_id) SELECT 'live' || n FROM generate_series(1, 3) n`)
	c, err := s.App(ctx, "db")
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close(c)
	if err := neutralize.Tables(ctx, c); err != nil {
		t.Fatal(err)
	}
	got := odoodbtest.Value[string](t, s, "db", `SELECT concat_ws(' ', count(DISTINCT access_token), count(DISTINCT media_secret), count(DISTINCT app_key), count(refresh_token),
		(SELECT count(DISTINCT seller_key) FROM amazon_account), (SELECT string_agg(client_id, ',' ORDER BY id) FROM account_online_link)) FROM social_account`)
	if got != "3 3 3 0 3 duplicate1,duplicate2,duplicate3" {
		t.Errorf("%s", got)
	}
	if n := odoodbtest.Value[int](t, s, "db", `SELECT count(*) FROM (SELECT x::text FROM social_account x UNION ALL SELECT x::text FROM amazon_account x UNION ALL SELECT x::text FROM account_online_link x) y (t)
		WHERE t LIKE '%live%' OR t ~ '[(,]1[123][,)]'`); n != 0 {
		t.Errorf("%d rows have a secret of the original's", n)
	}
}

package foreign

import (
	"strings"
	"testing"
)

// An address of PostgreSQL in odoo.conf that only the old stack has is corrected when it
// is taken over: it came to an end in the middle, with the old stack stopped.
func TestConfMoved(t *testing.T) {
	const hosted = "    network_mode: host\n"
	for name, tt := range map[string]struct{ odoo, db, conf, want string }{
		"both on the host's network": {hosted, hosted + "    command: postgres -p 5433\n", "db_host = localhost\ndb_port = 5433\nworkers = 2\n", "db_host = db\ndb_port = 5432\nworkers = 2\n"},
		"the usual port":             {hosted, hosted, "db_host = 127.0.0.1\n", "db_host = db\n"},
		"the published port":         {hosted, "    ports: [\"127.0.0.1:5544:5432\"]\n", "db_host = localhost\ndb_port = 5544\n", "db_host = db\ndb_port = 5432\n"},
		"another server there":       {hosted, "    ports: [\"127.0.0.1:5544:5432\"]\n", "db_host = localhost\ndb_port = 5599\n", ""},
		"a port of its own":          {"", "    command: -p 7080\n", "db_host = db\ndb_port = 7080\n", "db_host = db\ndb_port = 5432\n"},
		"the host by a variable":     {"    environment: {HOST: db, USER: odoo, PASSWORD: pw}\n", "    command: -p 7080\n", "db_port = 7080\n", "db_port = 5432\n"},
		"as it will be":              {"", "", "db_host = db\ndb_port = 5432\n", ""},
		"another machine":            {hosted, hosted, "db_host = 192.0.2.7\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := readText(t, `
services:
  odoo:
    image: odoo:17.0
    volumes: ["./odoo.conf:/etc/odoo/odoo.conf"]
`+tt.odoo+`  db:
    image: postgres:15
    environment: {POSTGRES_USER: odoo, POSTGRES_PASSWORD: pw}
    volumes: ["./pg:/var/lib/postgresql/data"]
`+tt.db, map[string]string{"odoo.conf": "[options]\n" + tt.conf})
			p := f.Propose(Place{Dir: f.Dir, Copying: true})
			if got := strings.TrimPrefix(string(p.Conf), "[options]\n"); got != tt.want || p.ConfEdited != (tt.want != "") {
				t.Errorf("odoo.conf becomes\n%s\nnot\n%s", got, tt.want)
			}
			if p := f.Propose(Place{Dir: f.Dir}); p.Conf != nil {
				t.Errorf("the old stack still reads it: %s", p.Conf)
			}
		})
	}
}

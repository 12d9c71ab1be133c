package foreign

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/project/tag"
)

var (
	postgresName = regexp.MustCompile(`^(postgres|postgresql|postgis|pgvector|timescaledb|postgres-autoconf)$|(^|[-_])(postgres|postgresql|postgis|pgvector|timescaledb)([-_]|$)`)
	notAServer   = regexp.MustCompile(`backup|exporter|admin|bouncer|pgpool|client|dump|upgrade|operator|pghero|rest$|barman|wal-g|adminer`)
	odooName     = regexp.MustCompile(`odoo|doodba|openerp`)
	notOdoo      = regexp.MustCompile(`backup|exporter|nginx|proxy|traefik|postgres|cron-only`)
)

// leastScore is what a service needs to be taken for PostgreSQL or Odoo.
const leastScore = 3

// find scores every service; what a service does says more than its name.
func (f *File) find() {
	pg, odoo := map[string]int{}, map[string]int{}
	for name, s := range f.Doc.Services {
		limit := func(n int) int {
			if f.started(s) {
				return n
			}
			return min(n, leastScore) // what docker compose up starts is meant first
		}
		if n := postgresScore(s); n >= leastScore {
			pg[name] = limit(n)
		}
		if n := odooScore(s); n >= leastScore {
			odoo[name] = limit(n)
		}
	}
	// A service is one or the other: an Odoo that is given POSTGRES_* variables
	// is no PostgreSQL.
	for name, n := range pg {
		if m, both := odoo[name]; both && m > n {
			delete(pg, name)
		} else if both {
			delete(odoo, name)
		}
	}
	// The database that Odoo is given, and that it waits for.
	for name := range odoo {
		s := f.Doc.Services[name]
		if host := ServiceOf(f.Doc, name, f.readLogin(s).host); host != "" {
			if _, ok := pg[host]; ok {
				pg[host] += 3
			}
		}
		for dep := range s.DependsOn {
			if _, ok := pg[dep]; ok {
				pg[dep]++
			}
		}
	}
	var decided bool
	f.OdooCandidates, decided = rank(odoo)
	if decided {
		f.Odoo = &Odoo{Service: f.OdooCandidates[0]}
	}
	f.PostgresCandidates, decided = rank(pg)
	if decided {
		f.Postgres = &Postgres{Service: f.PostgresCandidates[0]}
	}
}

// rank orders candidates; the first is decided if no other is as good.
func rank(scores map[string]int) ([]string, bool) {
	var names []string
	for n := range scores {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(scores[b], scores[a]), cmp.Compare(a, b))
	})
	return names, len(names) == 1 || len(names) > 1 && scores[names[0]] > scores[names[1]]
}

func postgresScore(s types.ServiceConfig) int {
	name, _ := tag.Split(s.Image)
	score := 0
	if notAServer.MatchString(name) {
		return 0
	}
	if postgresName.MatchString(name) {
		score += 4
	}
	for _, key := range []string{"POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE", "POSTGRES_HOST_AUTH_METHOD", "POSTGRES_USER", "POSTGRES_DB", "POSTGRESQL_PASSWORD", "PGDATA"} {
		if _, ok := s.Environment[key]; ok {
			score += 2
			break
		}
	}
	for _, v := range s.Volumes {
		if strings.HasPrefix(v.Target, "/var/lib/postgresql") || strings.HasPrefix(v.Target, "/bitnami/postgresql") || v.Target == env(s, "PGDATA") {
			score += 3
			break
		}
	}
	for _, p := range s.Ports {
		if p.Target == compose.PostgresPort {
			score++
			break
		}
	}
	return score
}

func odooScore(s types.ServiceConfig) int {
	name, _ := tag.Split(s.Image)
	score := 0
	if notOdoo.MatchString(name) {
		return 0
	}
	if odooName.MatchString(name) {
		score += 4
	}
	for _, v := range s.Volumes {
		if v.Target == compose.OdooDataTarget || v.Target == compose.AddonsTarget || v.Target == "/etc/odoo" || strings.HasPrefix(v.Target, "/etc/odoo/") || strings.HasPrefix(v.Target, "/opt/odoo") {
			score += 3
			break
		}
	}
	for _, key := range []string{"ODOO_RC", "ODOO_VERSION", "INITIAL_LANG", "LIST_DB", "PROXY_MODE", "WITHOUT_DEMO", "DB_FILTER"} {
		if _, ok := s.Environment[key]; ok {
			score += 2
			break
		}
	}
	for _, p := range s.Ports {
		if p.Target == compose.OdooHTTPPort || p.Target == compose.OdooGeventPort {
			score += 2
			break
		}
	}
	for _, word := range s.Command {
		if b := path.Base(word); b == "odoo" || b == "odoo-bin" {
			score += 2
			break
		}
	}
	if s.Build != nil && s.Build.Args["ODOO_VERSION"] != nil {
		score += 3
	}
	// Of several that run the same image, the one that people open.
	if s.Name == "odoo" || s.Name == "web" {
		score++
	}
	if apart(s) {
		return min(score, leastScore)
	}
	return score
}

// apart: an Odoo beside the one that people open, for the crons or for longpolling, or
// one that ends, as what makes the database. Its ports and its command make it no less
// an Odoo, and no more the main one.
func apart(s types.ServiceConfig) bool {
	if options, ok := startsOdoo(slices.Concat([]string(s.Entrypoint), []string(s.Command))); ok && len(options) > 0 && !strings.HasPrefix(options[0], "-") && !slices.Contains([]string{"server", "start"}, options[0]) {
		return true // a command of Odoo's: gevent, shell, db
	}
	options := odooOptions(s)
	if slices.ContainsFunc(options, func(w string) bool { return w == "--no-http" || w == "--no-xmlrpc" || w == "--stop-after-init" }) {
		return true
	}
	gevent := slices.ContainsFunc(s.Ports, func(p types.ServicePortConfig) bool { return p.Target == compose.OdooGeventPort })
	http := slices.ContainsFunc(s.Ports, func(p types.ServicePortConfig) bool { return p.Target == compose.OdooHTTPPort })
	return gevent && !http
}

// env is a service's variable, "" where it is not set.
func env(s types.ServiceConfig, key string) string {
	if v := s.Environment[key]; v != nil {
		return *v
	}
	return ""
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/shared/pglogin"
)

// containerPort is PostgreSQL's in a container, where published ports lead.
const containerPort = 5432

// listening looks for the reason why a server in a container answers on its own
// socket and nowhere else; nil where it has another one. Clusters that an
// image's initdb did not make have PostgreSQL's own defaults, and what somebody
// wrote into their postgresql.conf on another machine.
func listening(ctx context.Context, pg engine.Server, h Hints, unreached pglogin.Reason) *Diagnosis {
	if pg.Kind() != "docker" || unreached != pglogin.Refused && unreached != pglogin.Closed {
		return nil
	}
	conn, super, err := anyLogin(ctx, pg, h)
	if err != nil {
		return nil
	}
	defer closeConn(conn)
	settings := map[string]struct{ value, source string }{}
	rows, err := conn.Query(ctx, `SELECT name, setting, source FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) ANY (ARRAY['listen_addresses', 'port']::pg_catalog.text[])`)
	if err != nil {
		return nil
	}
	for rows.Next() {
		var name, value, source string
		if rows.Scan(&name, &value, &source) != nil {
			return nil
		}
		settings[name] = struct{ value, source string }{value, source}
	}
	if rows.Err() != nil {
		return nil
	}

	addresses, port := settings["listen_addresses"], settings["port"]
	d := &Diagnosis{Cause: CauseListening}
	var set, word, source string
	switch {
	case local(addresses.value):
		d.Message = fmt.Sprintf("PostgreSQL listens on its own container's localhost alone (listen_addresses = '%s'), which neither Odoo's container nor a published port can reach", addresses.value)
		set, word, source = "listen_addresses = '*'", "listen_addresses=*", addresses.source
	// With PGPORT in the container's environment the published port leads there.
	case port.value != fmt.Sprint(containerPort) && port.source != "environment variable":
		d.Message = fmt.Sprintf("PostgreSQL listens on port %s in its container, but the published port leads to %d", port.value, containerPort)
		set, word, source = fmt.Sprintf("port = %d", containerPort), fmt.Sprintf("port=%d", containerPort), port.source
	default:
		return nil
	}
	if source == "command line" {
		d.Next = []string{"set it in the command of PostgreSQL's service: postgres -c " + word, "odpm"}
		return d
	}
	role := conn.Config().User
	if !super {
		role = defaultAdmin
	}
	q := diagnostician{psql: pg.Psql(ctx, role)}
	d.Next = []string{q.sqlIn(conn.Config().Database, "ALTER SYSTEM SET "+set)}
	if own, is := pg.(engine.Reader); is {
		holders, err := own.Holders(ctx)
		for _, h := range holders {
			if err == nil && h.Own {
				d.Next = append(d.Next, h.StopCommand)
			}
		}
	}
	d.Next = append(d.Next, "odpm")
	return d
}

// local: none of the addresses is anybody's but the machine's own.
func local(addresses string) bool {
	return !slices.ContainsFunc(strings.Split(addresses, ","), func(a string) bool {
		a = strings.TrimSpace(a)
		return a != "" && a != "localhost" && a != "::1" && !strings.HasPrefix(a, "127.")
	})
}

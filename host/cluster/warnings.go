package cluster

import (
	"fmt"
	"strings"
)

// Warnings are what a person should know of a cluster that was asked.
func Warnings(f Facts) []string {
	var out []string
	if f.InRecovery {
		out = append(out, "this PostgreSQL is a standby: Odoo can log in but cannot write, and the checker in front of it waits for a primary. Set db_host in odoo.conf to the primary; the standby follows: SELECT sender_host, sender_port FROM pg_stat_wal_receiver")
	}
	for _, c := range f.Collations {
		out = append(out, fmt.Sprintf("database %s was made with collation version %s, the server's C library has %s: its text indexes may be corrupt. As administrator, in that database: %s",
			c.Database, c.Recorded, c.Actual, strings.Join(c.Fix, "; ")))
	}
	return out
}

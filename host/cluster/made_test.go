package cluster_test

import (
	"context"
	"testing"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/test/inherited/legacy"
)

// A server that asks for a password on its socket lets postgres in with the one that
// odpm gave it, or with the one that the compose file has always had.
func TestMadeAdministrator(t *testing.T) {
	ctx := context.Background()
	for _, password := range []string{"generated", "from the file"} {
		c := legacy.New(t, legacy.Spec{Major: 15, Setup: []string{`ALTER ROLE postgres PASSWORD '` + password + `'`}, HBA: "local all all scram-sha-256\n"})
		conn, err := cluster.Admin(ctx, c, cluster.Hints{Password: "from the file", Made: "generated"}, "")
		if err != nil {
			t.Errorf("%s: %v", password, err)
			continue
		}
		conn.Close(ctx)
	}
}

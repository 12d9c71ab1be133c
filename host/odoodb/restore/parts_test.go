package restore_test

import (
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/quote"
)

// TestLaterOfNewer: what a newer server's dump says about the owner's objects to come is
// said without what this one does not know.
func TestLaterOfNewer(t *testing.T) {
	s := odoodbtest.NewServer(t)
	t.Cleanup(func() { _ = odoodbtest.DropAll(s, "db") })
	rep, err := restore.Run(ctx, s, restore.Options{File: odoodbtest.TinyDump(t, `ALTER DEFAULT PRIVILEGES FOR ROLE `+quote.Ident(s.AppRole)+` IN SCHEMA public GRANT SELECT,MAINTAIN ON TABLES TO PUBLIC;
`), Database: "db"})
	if err != nil || len(rep.LeftOut) > 0 {
		t.Fatalf("%v, %v", rep.LeftOut, err)
	}
	if got := odoodbtest.Value[string](t, s, "db", `SELECT defaclacl::text FROM pg_default_acl`); !strings.Contains(got, "=r/") {
		t.Errorf("restored: %s", got)
	}
}

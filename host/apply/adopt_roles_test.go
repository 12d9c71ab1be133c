package apply

import (
	"slices"
	"testing"
)

func TestSavedRoles(t *testing.T) {
	admin, names := savedRoles(`CREATE ROLE app;
ALTER ROLE app WITH NOSUPERUSER INHERIT LOGIN PASSWORD 'CREATE ROLE x;';
CREATE ROLE "my ""own""";
ALTER ROLE "my ""own""" WITH SUPERUSER INHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS;
`)
	if admin != `my "own"` || !slices.Equal(names, []string{"app", `my "own"`}) {
		t.Errorf("%q %q", admin, names)
	}
}

package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/shared/redact"
)

// connection are the options that come from the environment instead: from a
// Secret, so that a changed password is one change in one place.
var connection = []string{"db_host", "db_port", "db_user", "db_password"}

// publicConf is odoo.conf without its secrets and without the connection, as a
// ConfigMap may hold it, and the secrets' names.
func publicConf(f *odooconf.File) (text string, leftOut []string) {
	var b strings.Builder
	b.WriteString("[options]\n")
	master := false
	for _, key := range f.Keys() {
		value, _ := f.Get(key)
		switch {
		case slices.Contains(connection, key):
			continue
		case redact.IsKey(key), len(redact.Find(key+" = "+value)) > 0:
			leftOut = append(leftOut, key)
			master = master || key == "admin_passwd"
			continue
		case key == "list_db":
			// Below.
			continue
		}
		// What follows the first line of a value is indented, as it was.
		fmt.Fprintf(&b, "%s = %s\n", key, strings.ReplaceAll(value, "\n", "\n\t"))
	}
	listDB, _ := f.Get("list_db")
	switch _, set := f.Get("admin_passwd"); {
	case master || !set:
		// Without a master password it is "admin", for everybody who finds
		// /web/database/manager.
		b.WriteString("list_db = False\n")
	case listDB != "":
		b.WriteString("list_db = " + listDB + "\n")
	}
	return b.String(), leftOut
}

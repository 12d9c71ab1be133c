package backup

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/tables"
)

// manifest says what Odoo's dump_db_manifest says (odoo/service/db.py).
func (b *backup) manifest() archive.Manifest {
	v := b.res.OdooVersion
	return archive.Manifest{
		OdooDump: "1", DBName: b.o.Database,
		Version: v, VersionInfo: versionInfo(v), MajorVersion: v,
		// Odoo divides as Python 3 does and so writes 15.0 for 15.20.
		PGVersion: fmt.Sprintf("%d.0", b.snap.pgVersion/10000),
		Modules:   b.snap.modules,
	}
}

// versionInfo is odoo.release.version_info of a final release: [18, 0, 0,
// "final", 0, ""], or ["saas~17", 4, 0, "final", 0, ""].
func versionInfo(version string) []any {
	first, second, _ := strings.Cut(version, ".")
	minor, _ := strconv.Atoi(second)
	var major any = first
	if n, err := strconv.Atoi(first); err == nil {
		major = n
	}
	return []any{major, minor, 0, "final", 0, ""}
}

// installedVersions are what a manifest lists.
func installedVersions(all []tables.Module) map[string]string {
	have := map[string]string{}
	for _, m := range all {
		if m.State == "installed" {
			have[m.Name] = m.Version
		}
	}
	return have
}

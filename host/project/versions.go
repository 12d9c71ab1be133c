package project

import (
	"fmt"

	"github.com/odpm/odpm/host/project/tag"
)

// CheckVersions tells what is wrong with versions that are to be written into
// odpm.json, by the rules that it is read by.
func CheckVersions(postgres, odoo string) error {
	switch {
	case !versionTag.MatchString(postgres):
		return fmt.Errorf("%q is not a version of PostgreSQL; allowed: a tag of the postgres image that starts with the major, such as 17, 17.2 or 17-alpine", shown(postgres))
	case tag.Major(postgres) < OldestMajor:
		return fmt.Errorf("PostgreSQL %s is too old; allowed: %d or newer", postgres, OldestMajor)
	case !odooVersion.MatchString(odoo):
		return fmt.Errorf("%q is not a version of Odoo; allowed: a release, such as 18.0", shown(odoo))
	}
	return nil
}

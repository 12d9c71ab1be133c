package cluster

import (
	"strings"
	"testing"
)

// TestStandbyIsWorthAWarning: a login to it works, and no write does.
func TestStandbyIsWorthAWarning(t *testing.T) {
	if all := Warnings(Facts{}); len(all) > 0 {
		t.Errorf("%q", all)
	}
	if all := Warnings(Facts{InRecovery: true}); len(all) != 1 || !strings.Contains(all[0], "is a standby") || !strings.Contains(all[0], "db_host") {
		t.Errorf("%q", all)
	}
}

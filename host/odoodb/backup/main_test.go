package backup_test

import (
	"context"
	"testing"
	"time"

	"github.com/odpm/odpm/host/odoodb/odoodbtest"
)

func TestMain(m *testing.M) { odoodbtest.Main(m) }

var ctx = context.Background()

// fixedTime is for names that have a date.
var fixedTime = time.Date(2026, 1, 31, 18, 30, 0, 0, time.UTC)

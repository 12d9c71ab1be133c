package drop_test

import (
	"context"
	"testing"

	"github.com/odpm/odpm/host/odoodb/odoodbtest"
)

func TestMain(m *testing.M) { odoodbtest.Main(m) }

var ctx = context.Background()

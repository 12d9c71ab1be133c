package cluster_test

import (
	"context"
	"testing"
	"time"

	"github.com/odpm/odpm/test/inherited/legacy"
)

func TestMain(m *testing.M) { legacy.Main(m) }

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

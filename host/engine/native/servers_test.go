package native_test

import (
	"context"
	"sync"
	"testing"

	"github.com/odpm/odpm/host/engine/enginetest"
	"github.com/odpm/odpm/host/engine/native"
)

// A backend that ends while the processes are looked through is no server.
func TestServersOnWhileSessionsEnd(t *testing.T) {
	ctx := context.Background()
	e, o := newEngine(t)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	looked := make(chan struct{})
	var sessions sync.WaitGroup
	for range 4 {
		sessions.Go(func() {
			for {
				select {
				case <-looked:
					return
				default:
					enginetest.Connect(t, e).Close(ctx)
				}
			}
		})
	}
	for range 400 {
		if pids := native.ServersOn(o.DataDir); len(pids) != 1 {
			t.Errorf("one server, and %v", pids)
		}
	}
	close(looked)
	sessions.Wait()
}

//go:build !linux

package pglogin

import (
	"context"
	"time"
)

// alarm is a timer of Go's where there is nothing cheaper.
type alarm struct{}

func newAlarm(context.Context) *alarm { return nil }

func (*alarm) sleep(ctx context.Context, d time.Duration) { sleep(ctx, d) }

func (*alarm) close() {}

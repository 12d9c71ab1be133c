package docker

import (
	"context"
	"time"
)

// Sweep is sweep with a label of the test's: other runs look into images too.
func (e *Reader) Sweep(ctx context.Context, label string, older time.Duration) {
	e.sweep(ctx, label, "created", older)
}

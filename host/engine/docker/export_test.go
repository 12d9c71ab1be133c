package docker

import (
	"context"
	"time"
)

// Sweep is sweep with a label of the test's: other runs look into images too.
func (e *Reader) Sweep(ctx context.Context, label string, older time.Duration) {
	e.sweep(ctx, label, "created", older)
}

// SetAnswerTime shortens what everybody has for an answer.
func (e *Engine) SetAnswerTime(d time.Duration) {
	e.cl.answer = d
	e.cl.api.http.Timeout = d
}

// Socket is where the engine would be asked directly.
func Socket(env []string) string { return newClient(env, "").socket() }

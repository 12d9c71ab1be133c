package apply

import (
	"context"
	"sync"
	"time"

	"github.com/odpm/odpm/host/odoodb/swap"
)

// Absence is the Odoo of a project while a restore stops it for its swap, and how
// long that was: from the stop to the first answer.
type Absence struct {
	swap.OdooService
	// Later: somebody else starts Odoo again, after a one-off run of it. On a database
	// that is about to be updated it would only run into what is missing.
	Later bool
	s     *Run

	mu                         sync.Mutex
	stopped, started, answered time.Time
	cancel                     context.CancelFunc
	watched                    sync.WaitGroup
}

// Absence is nil where there is no Odoo.
func (s *Run) Absence() *Absence {
	odoo := s.OdooService()
	if odoo == nil {
		return nil
	}
	return &Absence{OdooService: odoo, s: s, cancel: func() {}}
}

// Stop stops Odoo and begins to measure.
func (a *Absence) Stop(ctx context.Context) error {
	a.stopped = time.Now()
	return a.OdooService.Stop(ctx)
}

// Start starts it, and has somebody look when it answers: the restore has the
// replaced database to drop meanwhile.
func (a *Absence) Start(ctx context.Context) error {
	if a.Later {
		return nil
	}
	if err := a.OdooService.Start(ctx); err != nil {
		return err
	}
	a.started = time.Now()
	url := a.s.URL()
	if a.s.Stack != nil {
		c, err := a.s.Stack.Container(ctx, a.s.Project.OdooServiceName)
		if err != nil {
			return err
		}
		url = a.s.addressOf(c)
	}
	ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	a.watched.Go(func() {
		for ctx.Err() == nil && url != "" {
			if answers(ctx, url) {
				a.mu.Lock()
				a.answered = time.Now()
				a.mu.Unlock()
				return
			}
			_ = sleep(ctx, 50*time.Millisecond)
		}
	})
	return nil
}

// Close ends the looking. It may be called on nil.
func (a *Absence) Close() {
	if a != nil {
		a.cancel()
		a.watched.Wait()
	}
}

// Stopped says when the restore has stopped Odoo; the zero time where it has not.
func (a *Absence) Stopped() time.Time {
	if a == nil {
		return time.Time{}
	}
	return a.stopped
}

// Answers tells whether Odoo answers HTTP now.
func (s *Run) Answers(ctx context.Context) bool {
	url := s.URL()
	if s.Stack != nil {
		c, err := s.Stack.Container(ctx, s.Project.OdooServiceName)
		if err != nil {
			return false
		}
		url = s.addressOf(c)
	}
	return answers(ctx, url)
}

// Away is how long Odoo was away. Where it does not answer HTTP yet, answers is
// false, and it is how long it did not run.
func (a *Absence) Away() (away time.Duration, answers bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	answered := a.answered
	if answered.IsZero() && a.s.answeredAt.After(a.started) {
		// Whoever waited for Odoo has seen it first.
		answered = a.s.answeredAt
	}
	if answered.IsZero() {
		return a.started.Sub(a.stopped), false
	}
	return answered.Sub(a.stopped), true
}

package pglogin

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// DefaultTimeout is how long Wait tries.
const DefaultTimeout = 60 * time.Second

// WaitOptions steer Wait.
type WaitOptions struct {
	// Timeout is 0 for DefaultTimeout.
	Timeout time.Duration
	// OnChange is called with every change of the reason for waiting, of any
	// host's where there are several, from the goroutine that called Wait; elapsed counts from the start.
	OnChange func(e *Error, elapsed time.Duration)
}

// Wait tries until the login works, a failure is permanent, or the deadline
// passes; the error is then the last *Error, with Waited set where it was the
// deadline. When ctx is cancelled the error is ctx's cause.
func Wait(ctx context.Context, cfg Config, opts WaitOptions) (*Result, error) {
	p, err := newProber(cfg)
	if err != nil {
		return nil, err
	}
	defer p.close()
	timeout := opts.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	start := time.Now()
	dctx, cancel := context.WithDeadlineCause(ctx, start.Add(timeout), errDeadline)
	defer cancel()

	var last *Error
	for {
		res, err := p.attempt(dctx)
		if err == nil {
			return res, nil
		}
		var e *Error
		if errors.As(err, &e) {
			if !e.Transient() {
				return nil, e
			}
			if opts.OnChange != nil && (last == nil || !last.sameAs(e)) {
				opts.OnChange(e, time.Since(start))
			}
			last = e
		} else if !errors.Is(err, errDeadline) {
			return nil, err
		}
		if last == nil || e == nil && p.proving() != nil {
			// The very first attempt, or a proof, took until the deadline.
			last = p.cutShort()
		}
		p.idle(dctx)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case dctx.Err() != nil:
			final := *last
			final.Waited = time.Since(start)
			return nil, &final
		}
	}
}

// errDeadline tells our own deadline from the caller's.
var errDeadline = errors.New("the deadline for the login has passed")

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// pacer says how long to wait after a failure. Each kind has its own capped,
// jittered backoff, begun anew when the kind changes.
//
// What the caps are made of: Odoo should start within milliseconds of
// PostgreSQL, and waiting should cost next to nothing. Waking up and being
// refused costs 0.1–0.2 ms of processor time on a virtual machine. PostgreSQL
// opens its port ten to thirty milliseconds before it accepts logins and
// answers 57P03 in between, so the port is polled somewhat faster than that (at
// every twelve milliseconds four starts of ten were noticed only afterwards),
// and that short span finely: an answer itself takes the server a millisecond
// or two, the time to make a process. Every 57P03 is a line in the server's log
// (ten or so of an ordinary start, some sixty of the first second), so after
// that second, when it is evidently recovering, the pace drops.
type pacer struct {
	start time.Time
	class paceClass
	since time.Time
	slow  bool
	b     *backoff.ExponentialBackOff
}

type paceClass int

const (
	paceNone     paceClass = iota
	pacePort               // refused, no socket
	paceAnswer             // 57P03
	pacePeer               // closed, silent, unreachable
	paceName               // DNS
	paceCapacity           // 53300 and the like
	paceLogin              // a whole login that met the wrong server
)

// longWait is when the port's poll relaxes: who has waited that long does not
// notice a few milliseconds more.
const longWait = 10500 * time.Millisecond

func (p *pacer) next(r Reason) time.Duration {
	class := paceOf(r)
	if class != p.class {
		p.class, p.since, p.slow = class, time.Now(), false
		p.b = backoffFor(class, false)
	}
	if !p.slow {
		switch {
		case class == paceAnswer && time.Since(p.since) > time.Second,
			(class == pacePort || class == paceName) && time.Since(p.start) > longWait:
			p.slow = true
			p.b = backoffFor(class, true)
		}
	}
	return p.b.NextBackOff()
}

func paceOf(r Reason) paceClass {
	switch r {
	case Refused:
		return pacePort
	case StartingUp, Recovering, ShuttingDown:
		return paceAnswer
	case DNS:
		return paceName
	case TooManyConnections, ServerBusy:
		return paceCapacity
	case Pooler, Primary, ReadOnly, Standby:
		return paceLogin
	}
	return pacePeer
}

func backoffFor(class paceClass, slow bool) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.MaxElapsedTime = 0
	b.Multiplier, b.RandomizationFactor = 1.4, 0.25
	set := func(initial, max time.Duration) { b.InitialInterval, b.MaxInterval = initial, max }
	switch class {
	case pacePort:
		set(2*time.Millisecond, 8*time.Millisecond)
		b.RandomizationFactor = 0.15
		if slow {
			set(150*time.Millisecond, 150*time.Millisecond)
		}
	case paceAnswer:
		set(400*time.Microsecond, 35*time.Millisecond)
		b.Multiplier = 1.15
		if slow {
			set(340*time.Millisecond, time.Second)
		}
	case paceLogin:
		// At least 250 ms: a login is a process of the server's, and there may be
		// hundreds of us at a standby that is being promoted.
		set(300*time.Millisecond, 300*time.Millisecond)
		b.RandomizationFactor = 1.0 / 6
	case paceName:
		set(20*time.Millisecond, 100*time.Millisecond)
		if slow {
			set(250*time.Millisecond, 250*time.Millisecond)
		}
	case paceCapacity:
		// Hundreds of checkers may meet the same limit: spread them widely.
		set(30*time.Millisecond, time.Second)
		b.RandomizationFactor = 0.5
	default:
		set(5*time.Millisecond, 50*time.Millisecond)
	}
	b.Reset()
	return b
}

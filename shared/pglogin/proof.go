package pglogin

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// The proof of a password under SCRAM takes as many rounds of a hash as the
// server asks for: 4096 unless an administrator raised scram_iterations
// (PostgreSQL 16 and later). pgconn computes it in one go, which no context
// ends; a peer that asks for millions would hold us beyond every deadline and
// signal.

// proofError is a proof that was not computed when its time was over.
type proofError struct{ iterations int }

func (e *proofError) Error() string {
	return fmt.Sprintf("the password's proof takes %d iterations", e.iterations)
}

// authenticate is pgconn.ConnectConfig that returns when ctx ends.
func (a *attempt) authenticate(ctx context.Context, conf *pgconn.Config) (*pgconn.PgConn, error) {
	// Two at a time would only slow each other down.
	if p := a.proof; p != nil {
		select {
		case <-p.done:
			a.proof = nil
		case <-ctx.Done():
			return nil, p.err
		}
	}
	type outcome struct {
		conn *pgconn.PgConn
		err  error
	}
	proving := make(chan int, 1)
	passwordAsLibpq(conf, proving)
	end := make(chan outcome, 1)
	go func() {
		conn, err := pgconn.ConnectConfig(ctx, conf)
		end <- outcome{conn, err}
	}()
	select {
	case o := <-end:
		return o.conn, o.err
	case <-ctx.Done():
	}
	// Whatever waits for the network ends as well now, and says more.
	select {
	case o := <-end:
		return o.conn, o.err
	case n := <-proving:
		p := &abandonedProof{done: make(chan struct{}), err: &proofError{n}}
		go func() {
			defer close(p.done)
			if o := <-end; o.conn != nil {
				goodbye(o.conn)
			}
		}()
		a.proof = p
		return nil, p.err
	}
}

// abandonedProof goes on after its attempt is over; done is closed at its end.
type abandonedProof struct {
	done chan struct{}
	err  *proofError
}

// maxIterations is what pgconn computes at most; libpq has no limit.
const maxIterations = 10_000_000

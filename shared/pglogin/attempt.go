package pglogin

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// attempt is one login: TCP first, on its own, then PostgreSQL's protocol on
// the connection that TCP gave.
//
// A refused connection is by far the most frequent answer while one waits, and
// costs a fraction of pgconn's whole ceremony this way; a connection that is
// accepted is used for the login, so the server never forks a backend for a
// mere probe.
type attempt struct {
	*host

	mu sync.Mutex
	// ready holds connections that are dialled and not yet used.
	ready map[string]net.Conn
	// failed remembers refused addresses: pgconn dials each one twice, once
	// for TLS and once without.
	failed map[string]error
	// stop is set once the server has answered that it cannot take logins now.
	// pgconn would go on without TLS and get the same answer, and each one is
	// a line in the server's log.
	stop error
	// last is the connection that was dialled last.
	last *spyConn
	// strange are the addresses of connections before it that were foreign.
	strange map[string]bool
	// reached is the address that accepted, of so many.
	reached   string
	addresses int
	// over: after a connection broke, pgconn would still dial in the background,
	// to ask the server to cancel.
	over bool
}

var errOver = errors.New("the attempt is over")

// foreign says whether the address that was dialled last has answered with
// something else than PostgreSQL's protocol. pgconn may have dialled it again in
// the background, to ask the server to cancel, before the error is looked at.
func (a *attempt) foreign() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last.foreign() || a.last != nil && a.strange[a.last.addr]
}

// connected makes c the last connection; mu is held.
func (a *attempt) connected(c *spyConn) {
	if a.last.foreign() {
		a.strange[a.last.addr] = true
	}
	a.last = c
}

// dialled is the last connection, nil without one.
func (a *attempt) dialled() *spyConn {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

func (a *attempt) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
}

func newAttempt(h *host) *attempt {
	a := &attempt{host: h, ready: map[string]net.Conn{}, failed: map[string]error{}, strange: map[string]bool{}}
	h.heard.Store(false)
	if c := h.opened; c != nil {
		h.opened = nil
		c.a, a.ready[c.addr] = a, c
	}
	return a
}

func (p *prober) attempt(ctx context.Context) (*Result, error) {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, p.cfg.attemptTimeout())
	defer cancel()

	res, err := p.overHosts(ctx)
	if end, ok := parent.Deadline(); err != nil && ok && !time.Now().Before(end) {
		// The network's timer for the same moment may go off a little sooner,
		// and its error would pass for an answer.
		<-parent.Done()
	}
	if err != nil && parent.Err() != nil {
		return nil, context.Cause(parent)
	}
	if err != nil {
		return nil, err
	}
	return res, nil
}

// overHosts asks one host after the other, as libpq does, and proves the
// further databases on the one that it takes.
func (p *prober) overHosts(ctx context.Context) (*Result, *Error) {
	var taken *Error
	for _, h := range p.hosts {
		res, err := h.ask(ctx)
		switch {
		case err == nil && taken == nil:
			return h.everyDatabase(ctx, res)
		case err == nil:
			return nil, taken.insteadOf(p, res)
		case !err.triesNextHost():
			if taken == nil {
				return nil, err.among(p)
			}
		case p.attrs == "" && err.Reason.unsuited() && taken == nil:
			// libpq takes it and asks no other; they are asked for the log.
			taken = err
		}
	}
	if taken != nil {
		return nil, taken.among(p)
	}
	if p.attrs == preferStandby {
		for _, h := range p.hosts {
			if h.accepted != nil {
				return h.everyDatabase(ctx, h.accepted)
			}
		}
	}
	// The one that came furthest says most.
	best := p.hosts[0].last
	for _, h := range p.hosts {
		if h.last.Reason > best.Reason {
			best = h.last
		}
	}
	return nil, best.among(p)
}

// everyDatabase proves the further databases.
func (h *host) everyDatabase(ctx context.Context, res *Result) (*Result, *Error) {
	begun := time.Now()
	for _, name := range h.cfg.Also {
		if err := h.also(ctx, res, name); err != nil {
			h.note(err, time.Since(begun))
			return nil, err.among(h.prober)
		}
	}
	for _, before := range h.hosts {
		if before == h {
			break
		}
		if before.last != nil && (before.last.Reason == Timeout || before.last.lost) {
			res.Silent = append(res.Silent, before.last.Addr)
		}
	}
	for addr := range h.muted {
		res.Silent = append(res.Silent, addr)
	}
	res.Unlimited = h.limit == 0
	return res, nil
}

// login connects to conf's database and asks the server who it is.
func (h *host) login(ctx context.Context, conf *pgconn.Config) (*Result, *Error) {
	a := newAttempt(h)
	conn, failed := a.connect(ctx, conf)
	if failed != nil {
		return nil, failed
	}
	defer goodbye(conn)
	res, err := identify(ctx, conn, conf.User)
	if err != nil {
		return nil, h.classify(err, a, conf.Database)
	}
	res.Addr, res.from = a.dialled().addr, h
	res.Endpoint = h.named(res.Addr)
	res.Stale = res.Stale && h.attrs != ""
	return res, nil
}

// also proves one more database; 3D000 is an answer like any other. The login
// was proven a moment ago, so a pooler that refuses it now refuses the
// database: PgBouncer says for one that it does not know what it says for a
// wrong password.
func (h *host) also(ctx context.Context, res *Result, name string) *Error {
	if res.Databases == nil {
		res.Databases = map[string]bool{}
	}
	conf := h.conn.Copy()
	conf.Database = name
	a := newAttempt(h)
	conn, err := a.connect(ctx, conf)
	if err != nil && (err.Reason == DatabaseMissing || err.Reason == Pooler) {
		res.Databases[name] = false
		if err.pooler != "" {
			res.Unknown = append(res.Unknown, name)
		}
		return nil
	}
	if err != nil {
		return err
	}
	goodbye(conn)
	res.Databases[name] = true
	return nil
}

// messageSize is far more than a server says during a login and a question for
// who it is; a gigabyte, which it may announce, would be kept in memory.
const messageSize = 1 << 20

func shortMessages(r io.Reader, w io.Writer) *pgproto3.Frontend {
	f := pgproto3.NewFrontend(r, w)
	f.SetMaxBodyLen(messageSize)
	return f
}

func (a *attempt) connect(ctx context.Context, conf *pgconn.Config) (*pgconn.PgConn, *Error) {
	defer a.closeUnused()
	if err := a.reach(ctx, conf); err != nil {
		return nil, a.classify(err, a, conf.Database)
	}
	conf = conf.Copy()
	a.plain.spare(conf, a.reached, a.addresses)
	conf.LookupFunc = a.inOrder
	conf.DialFunc = a.dial
	// ctx bounds the attempt, by PGCONNECT_TIMEOUT as well.
	conf.ConnectTimeout = 0
	conf.OnPgError = func(_ *pgconn.PgConn, e *pgconn.PgError) bool {
		if reasonOf(e).Transient() {
			a.stop = e
		}
		return !strings.EqualFold(e.SeverityUnlocalized, "FATAL") && !strings.EqualFold(e.Severity, "FATAL")
	}
	conn, err := a.authenticate(ctx, conf)
	a.end()
	if err != nil {
		e := a.classify(err, a, conf.Database)
		if e.Reason == Timeout {
			a.mute(a.reached)
		}
		return nil, e
	}
	return conn, nil
}

// reach dials the configured addresses in order until one accepts. Its error
// joins what every address said.
func (a *attempt) reach(ctx context.Context, conf *pgconn.Config) error {
	var errs []error
	seen := map[string]bool{}
	hosts := append([]*pgconn.FallbackConfig{{Host: conf.Host, Port: conf.Port}}, conf.Fallbacks...)
	for _, h := range hosts {
		names := []string{h.Host}
		if network, _ := pgconn.NetworkAddress(h.Host, h.Port); network == "tcp" {
			found, err := a.inOrder(ctx, h.Host)
			if err != nil {
				if !seen[h.Host] {
					errs = append(errs, err)
				}
				seen[h.Host] = true
				continue
			}
			names = found
		}
		a.addresses = max(a.addresses, len(names))
		for i, name := range names {
			network, addr := pgconn.NetworkAddress(name, h.Port)
			if seen[addr] {
				continue
			}
			seen[addr] = true
			if conn, err := a.dialWithin(ctx, network, addr, len(names)-i); err != nil {
				errs = append(errs, err)
			} else {
				delete(a.muted, addr)
				a.ready[addr] = conn
				a.reached = addr
				return nil
			}
		}
	}
	a.refused, a.refusedAt = nil, time.Now()
	for addr, err := range a.failed {
		if !isRefused(err) || strings.HasPrefix(addr, "/") {
			return &joined{errs}
		}
		a.refused = append(a.refused, addr)
	}
	if len(a.refused) < len(errs) {
		a.refused = nil
	}
	return &joined{errs}
}

// dialWithin gives one of so many addresses its part of the time: a packet filter
// that drops what goes to the first one is not to keep us from the others.
func (a *attempt) dialWithin(ctx context.Context, network, addr string, left int) (net.Conn, error) {
	if end, ok := ctx.Deadline(); ok && left > 1 {
		part, cancel := context.WithTimeout(ctx, time.Until(end)/time.Duration(left))
		defer cancel()
		ctx = part
	}
	conn, err := a.dial(ctx, network, addr)
	if err != nil && isTimeout(err) {
		a.mute(addr)
	}
	return conn, err
}

// dial is pgconn's DialFunc and reach's.
func (a *attempt) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return nil, errOver
	}
	if conn := a.ready[addr]; conn != nil {
		delete(a.ready, addr)
		a.connected(conn.(*spyConn))
		return conn, nil
	}
	if err := a.failed[addr]; err != nil {
		return nil, err
	}
	if a.stop != nil {
		return nil, a.stop
	}
	conn, err := a.dialer.DialContext(ctx, network, addr)
	if err != nil {
		a.failed[addr] = err
		if !isRefused(err) {
			a.lookup.forget()
		}
		return nil, err
	}
	a.connected(&spyConn{Conn: conn, addr: addr, a: a, direct: a.direct()})
	return a.last, nil
}

func (a *attempt) closeUnused() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.ready {
		c.(*spyConn).Conn.Close()
	}
}

// joined is errors.Join that keeps an empty list an error.
type joined struct{ errs []error }

func (j *joined) Error() string   { return "no address accepted a connection" }
func (j *joined) Unwrap() []error { return j.errs }

// goodbye tells the server that we are done with it, and waits for none that
// does not answer: an attempt's own time may be over.
func goodbye(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

package pglogin

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// prober holds what survives from one attempt to the next.
type prober struct {
	cfg Config
	// hosts are in libpq's order.
	hosts []*host
	// attrs is target_session_attrs, "" where nobody has set it.
	attrs string
	// limit is connect_timeout, 0 for none.
	limit  time.Duration
	lookup lookupCache
	dialer net.Dialer
}

// host is one of them.
type host struct {
	*prober
	conn *pgconn.Config
	// resolves: it is a name, whose address may change.
	resolves bool

	// last is what became of it when it was asked, until due no matter of asking
	// again; accepted is a login that was not what target_session_attrs prefers.
	last     *Error
	accepted *Result
	due      time.Time
	pace     pacer
	same     sameWords

	// refused are its TCP addresses that all refused the last attempt, empty
	// where anything else was among the answers; opened is one that did not
	// refuse any more when its probe asked it.
	refused   []string
	refusedAt time.Time
	opened    *spyConn
	probes    map[string]*portProbe
	// muted are addresses that did not answer when they were asked; the others
	// come first then.
	muted map[string]bool
	// heard: what listens there has said something in PostgreSQL's protocol.
	heard atomic.Bool
	// plain is what the server said of TLS a moment ago.
	plain withoutTLS
	// proof is one that the last attempt did not wait for.
	proof *abandonedProof
}

func newProber(cfg Config) (*prober, error) {
	l, err := cfg.list()
	if err != nil {
		return nil, err
	}
	p := &prober{cfg: cfg, attrs: l.SessionAttrs, limit: l.Timeout, dialer: net.Dialer{Timeout: dialTimeout, KeepAlive: -1}}
	p.lookup.resolve = l.Hosts[0].LookupFunc
	for _, conn := range l.Hosts {
		p.hosts = append(p.hosts, &host{prober: p, conn: conn, resolves: net.ParseIP(conn.Host) == nil, pace: pacer{start: time.Now()}})
	}
	return p, nil
}

// share is what one host may take of an attempt: one that accepts and says
// nothing (a machine that is frozen) is not to keep us from the others.
func (p *prober) share() time.Duration {
	d := p.cfg.attemptTimeout() / time.Duration(len(p.hosts))
	if p.limit > 0 {
		d = min(d, p.limit)
	}
	return d
}

// ask logs in to the host, unless it is too early to ask again.
func (h *host) ask(ctx context.Context) (*Result, *Error) {
	if h.last != nil && time.Now().Before(h.due) {
		return nil, h.last
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, h.share())
	defer cancel()
	h.accepted = nil
	res, err := h.login(ctx, h.conn)
	if err != nil && err.Reason == HBARejected && ctx.Err() == nil && h.plain.doubted() {
		res, err = h.login(ctx, h.conn)
	}
	if err == nil {
		if err = h.unsuited(res); err != nil {
			h.accepted = res
		}
	}
	if err != nil {
		h.note(err, time.Since(begun))
		return nil, err
	}
	return res, nil
}

// mute notes an address that does not answer.
func (h *host) mute(addr string) {
	if h.muted == nil {
		h.muted = map[string]bool{}
	}
	h.muted[addr] = true
}

// inOrder looks a name up. libpq goes on to a name's next address where one does
// not answer within connect_timeout; one that did not is asked last.
func (h *host) inOrder(ctx context.Context, name string) ([]string, error) {
	found, err := h.lookup.find(ctx, name)
	if err != nil || len(h.muted) == 0 {
		return found, err
	}
	var ordered, last []string
	still := map[string]bool{}
	for _, ip := range found {
		if _, addr := pgconn.NetworkAddress(ip, h.conn.Port); h.muted[addr] {
			last, still[addr] = append(last, ip), true
		} else {
			ordered = append(ordered, ip)
		}
	}
	// What the name does not lead to any more is nobody's concern.
	h.muted = still
	return append(ordered, last...), nil
}

// note remembers what became of the host, and when to ask it again.
func (h *host) note(e *Error, took time.Duration) {
	h.same.count(e)
	h.last = e
	wait := h.pace.next(e.Reason)
	if len(h.hosts) > 1 && took > time.Second {
		// A host that costs that much is asked more seldom than the others.
		wait = max(wait, 2*took)
	}
	h.due = time.Now().Add(wait)
}

// idle returns when a host is worth a login, or when ctx ends. A port that
// refuses is all that most waiting consists of, so nothing else is done for it.
func (p *prober) idle(ctx context.Context) {
	clock := newAlarm(ctx)
	defer clock.close()
	for {
		soonest := p.hosts[0].due
		for _, h := range p.hosts {
			if h.due.Before(soonest) {
				soonest = h.due
			}
		}
		if d := time.Until(soonest); d > 0 {
			clock.sleep(ctx, d)
		}
		if ctx.Err() != nil {
			return
		}
		worth := false
		for _, h := range p.hosts {
			if time.Now().Before(h.due) {
				continue
			}
			if h.stillRefused() {
				h.due = time.Now().Add(h.pace.next(Refused))
			} else {
				worth = true
			}
		}
		if worth {
			return
		}
	}
}

// stillRefused asks the ports that refused a moment ago, and only those. A name
// has to be looked up again now and then.
func (h *host) stillRefused() bool {
	if len(h.refused) == 0 || h.resolves && time.Since(h.refusedAt) > lookupTTL {
		return false
	}
	for _, addr := range h.refused {
		probe := h.probes[addr]
		if probe == nil {
			if probe = newPortProbe(addr); probe == nil {
				return false
			}
			if h.probes == nil {
				h.probes = map[string]*portProbe{}
			}
			h.probes[addr] = probe
		}
		conn, refused := probe.ask()
		if conn != nil {
			h.opened = &spyConn{Conn: conn, addr: addr, direct: h.direct()}
		}
		if !refused {
			delete(h.probes, addr)
			return false
		}
	}
	return true
}

// close gives back what a wait holds.
func (p *prober) close() {
	for _, h := range p.hosts {
		for _, probe := range h.probes {
			probe.close()
		}
		if h.opened != nil {
			h.opened.Conn.Close()
		}
		// Result.Bus connects to it once more.
		h.probes, h.refused, h.opened = nil, nil, nil
	}
}

// cutShort describes an attempt that the deadline ended.
func (p *prober) cutShort() *Error {
	h := p.hosts[0]
	e := &Error{Reason: Timeout, Addr: h.named(h.firstAddr()), User: h.conn.User, Database: h.conn.Database, heard: h.heard.Load()}
	if proof := p.proving(); proof != nil {
		e.iterations = proof.err.iterations
	}
	return e
}

// proving is a proof that is still being computed.
func (p *prober) proving() *abandonedProof {
	for _, h := range p.hosts {
		if h.proof != nil {
			return h.proof
		}
	}
	return nil
}

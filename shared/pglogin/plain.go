package pglogin

import (
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// withoutTLS remembers a server that answered 'N' to the question for TLS.
//
// A PostgreSQL that is starting up answers it before every 57P03. It loads its
// certificate before it listens, so the answer stays the same until it is
// started anew, and asking again costs the attempt that succeeds half a
// millisecond: a round trip to a process that has just been made, and pgconn's
// second round through its fallbacks.
type withoutTLS struct {
	addr  string
	until time.Time
	// believed is set while a login goes without the question.
	believed bool
}

// plainTTL is much less than stopping one server and starting another takes.
const plainTTL = time.Second

// answered notes an 'N' of addr.
func (w *withoutTLS) answered(addr string) {
	w.addr, w.until = addr, time.Now().Add(plainTTL)
}

// spare takes the question out of conf where it was just answered: with
// sslmode=prefer, and one address alone, which is addr. Whatever else may be
// dialled is still asked.
func (w *withoutTLS) spare(conf *pgconn.Config, addr string, addresses int) {
	w.believed = false
	prefers := conf.TLSConfig != nil && len(conf.Fallbacks) == 1 && conf.Fallbacks[0].TLSConfig == nil &&
		conf.Fallbacks[0].Host == conf.Host && conf.Fallbacks[0].Port == conf.Port
	if !prefers || addresses != 1 || addr != w.addr || !time.Now().Before(w.until) {
		return
	}
	w.believed = true
	conf.TLSConfig, conf.Fallbacks = nil, nil
}

// doubted says whether the last login went without the question, and has the
// next one ask it: pg_hba.conf, which rejected it, may want TLS of a server that
// has it by now. A wrong password is one with TLS as well, and not tried twice.
func (w *withoutTLS) doubted() bool {
	believed := w.believed
	*w = withoutTLS{}
	return believed
}

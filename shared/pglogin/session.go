package pglogin

// What target_session_attrs may ask for, by libpq's words.
const (
	preferStandby = "prefer-standby"
	readWrite     = "read-write"
)

// unsuited is why a server that lets us in is not the right one: by
// target_session_attrs, else by Config.Writes. What the server says when it is
// asked counts, not what it said unasked with the login: a pooler repeats what
// it heard when it logged in itself, which may be a failover ago.
func (h *host) unsuited(res *Result) *Error {
	attrs := h.attrs
	if attrs == "" && h.cfg.Writes {
		attrs = readWrite
	}
	reason := Settings
	switch attrs {
	case readWrite, "primary":
		switch {
		case res.InRecovery:
			reason = Standby
		case res.ReadOnly && attrs == readWrite:
			reason = ReadOnly
		}
	case "standby", preferStandby:
		if !res.InRecovery {
			reason = Primary
		}
	case "read-only":
		if !res.ReadOnly {
			reason = Primary
		}
	}
	if reason == Settings {
		return nil
	}
	return &Error{Reason: reason, Addr: res.Endpoint, User: h.conn.User, Database: h.conn.Database, attrs: h.attrs}
}

// unsuited says whether the login went well, and the server is not the
// one asked for.
func (r Reason) unsuited() bool { return r == Standby || r == ReadOnly || r == Primary }

// triesNextHost says whether libpq asks the next host after this: it does where
// it gets no connection, where a server cannot take logins now, and where the
// session is not as asked for. Any other answer ends its connecting.
func (e *Error) triesNextHost() bool {
	switch e.Reason {
	case DNS, Refused, Unreachable, Timeout, StartingUp, Recovering, ShuttingDown:
		return true
	}
	return e.Reason.unsuited()
}

// HostState is what became of one of several hosts.
type HostState struct {
	Addr   string
	Reason Reason
}

// among adds the states of all hosts, where there are several.
func (e *Error) among(p *prober) *Error {
	if len(p.hosts) < 2 {
		return e
	}
	full := *e
	full.Hosts = nil
	for _, h := range p.hosts {
		if h.last != nil {
			full.Hosts = append(full.Hosts, HostState{h.last.Addr, h.last.Reason})
		}
	}
	return &full
}

// insteadOf is among for a host that libpq takes, while a later one is
// right.
func (e *Error) insteadOf(p *prober, res *Result) *Error {
	full := *e.among(p)
	full.better = res.Endpoint
	return &full
}

// sameAs says whether a log has nothing new to say.
func (e *Error) sameAs(o *Error) bool {
	if e.Reason != o.Reason || len(e.Hosts) != len(o.Hosts) {
		return false
	}
	for i := range e.Hosts {
		if e.Hosts[i] != o.Hosts[i] {
			return false
		}
	}
	return true
}

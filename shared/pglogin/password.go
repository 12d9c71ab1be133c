package pglogin

import (
	"encoding/binary"
	"io"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/odpm/odpm/shared/saslprep"
)

// passwordAsLibpq makes pgconn send the password that libpq, and so Odoo,
// would. libpq prepares it for SCRAM by SASLprep, and sends it as it is for
// every other method; pgconn prepares by PRECIS, to which "ﬁ" is another
// password than "fi". So the prepared one, which PRECIS leaves alone, is put in
// its place as soon as the server says which method it wants.
//
// What is left is a password that SASLprep refuses and PRECIS changes: mixed
// writing directions together with a space that is not ASCII.
func passwordAsLibpq(conf *pgconn.Config) {
	plain := conf.Password
	prepared := saslprep.Password(plain)
	if prepared == plain {
		return
	}
	conf.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		return pgproto3.NewFrontend(&authReader{r: r, found: func(method uint32) {
			conf.Password = plain
			if method == pgproto3.AuthTypeSASL {
				conf.Password = prepared
			}
		}}, w)
	}
}

// authReader looks for the server's question for a password in what passes
// through it: after the startup message it is 'R', the length, the method,
// maybe with NegotiateProtocolVersion ('v') before it.
type authReader struct {
	r     io.Reader
	found func(method uint32)
	// head is what has come of the present message's first nine bytes; skip is
	// how much of its rest is still to come.
	head []byte
	skip int
	done bool
}

func (a *authReader) Read(b []byte) (int, error) {
	n, err := a.r.Read(b)
	if !a.done {
		a.look(b[:n])
	}
	return n, err
}

func (a *authReader) look(b []byte) {
	for len(b) > 0 && !a.done {
		if a.skip > 0 {
			n := min(a.skip, len(b))
			a.skip, b = a.skip-n, b[n:]
			continue
		}
		a.head, b = append(a.head, b[0]), b[1:]
		switch {
		case len(a.head) == 5 && a.head[0] == 'v':
			// The length counts itself.
			a.skip, a.head = int(binary.BigEndian.Uint32(a.head[1:]))-4, nil
			a.done = a.skip < 0 || a.skip > firstMessageLimit
		case len(a.head) == 5 && a.head[0] != 'R':
			a.done = true
		case len(a.head) == 9:
			a.done = true
			a.found(binary.BigEndian.Uint32(a.head[5:]))
		}
	}
}

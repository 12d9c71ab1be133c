package pglogin

import (
	"bytes"
	"encoding/binary"
	"io"
	"strconv"

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
//
// Into proving goes the number of iterations when pgconn begins to compute the
// proof for SCRAM, and it is taken out again when the proof is sent.
func passwordAsLibpq(conf *pgconn.Config, proving chan int) {
	plain := conf.Password
	prepared := saslprep.Password(plain)
	conf.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		dialogue := &authDialogue{r: r, w: w, proving: proving, found: func(method uint32) {
			conf.Password = plain
			if method == pgproto3.AuthTypeSASL {
				conf.Password = prepared
			}
		}}
		return shortMessages(dialogue, dialogue)
	}
}

// authDialogue looks at the server's part of the authentication as it passes:
// after the startup message comes 'R', the length, the method, maybe with
// NegotiateProtocolVersion ('v') before it; then, under SCRAM, another 'R' with
// salt and number of iterations.
type authDialogue struct {
	r       io.Reader
	w       io.Writer
	found   func(method uint32)
	proving chan int
	// message is what has come of the present one.
	message []byte
	done    bool
}

func (a *authDialogue) Read(b []byte) (int, error) {
	n, err := a.r.Read(b)
	if !a.done {
		a.look(b[:n])
	}
	return n, err
}

func (a *authDialogue) Write(b []byte) (int, error) {
	select {
	case <-a.proving:
	default:
	}
	return a.w.Write(b)
}

func (a *authDialogue) look(b []byte) {
	for len(b) > 0 && !a.done {
		want := 5
		if len(a.message) >= 5 {
			// The length counts itself.
			want = 1 + int(binary.BigEndian.Uint32(a.message[1:]))
		}
		n := min(want-len(a.message), len(b))
		a.message, b = append(a.message, b[:n]...), b[n:]
		if len(a.message) < 5 {
			continue
		}
		kind, length := a.message[0], binary.BigEndian.Uint32(a.message[1:])
		switch {
		case kind != 'R' && kind != 'v', length < 4, kind == 'R' && length < 8, length > firstMessageLimit:
			a.done = true
		case len(a.message) == 1+int(length):
			if kind == 'R' {
				a.asked(binary.BigEndian.Uint32(a.message[5:]), a.message[9:])
			}
			a.message = nil
		}
	}
}

// asked is called before pgconn sees the message.
func (a *authDialogue) asked(method uint32, data []byte) {
	a.done = method != pgproto3.AuthTypeSASL
	if method != pgproto3.AuthTypeSASLContinue {
		a.found(method)
		return
	}
	_, count, _ := bytes.Cut(data, []byte(",i="))
	if n, err := strconv.Atoi(string(count)); err == nil {
		select {
		case a.proving <- n:
		default:
		}
	}
}

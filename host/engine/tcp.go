package engine

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/shared/libpq"
)

// TCP is a PostgreSQL as this machine reaches it over TCP, and how Odoo's
// connection to it is encrypted. Package libpq decides what that means.
type TCP struct {
	// Addr is host:port.
	Addr string
	// Name is what Odoo calls the server (db_host), where that is not Addr's
	// host: a published port leads from 127.0.0.1 to the service db. Certificates
	// are for it.
	Name string
	// SSLMode is libpq's word; "" is prefer, Odoo's default.
	SSLMode string
	// TLSFiles: PGSSLROOTCERT, PGSSLCERT, PGSSLKEY and ~/.postgresql count.
	TLSFiles bool
}

// Settings are the connection without a user and a database.
func (t TCP) Settings() (libpq.Settings, error) {
	host, port, err := net.SplitHostPort(t.Addr)
	if err != nil {
		return libpq.Settings{}, fmt.Errorf("the server's address %q is not host:port", t.Addr)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return libpq.Settings{}, fmt.Errorf("the server's address %q is not host:port", t.Addr)
	}
	s := libpq.Settings{Host: host, Port: n, SSLMode: cmp.Or(t.SSLMode, "prefer"), Explicit: true, TLSFiles: t.TLSFiles}
	if _, err := netip.ParseAddr(host); err == nil && t.Name != "" && t.Name != host {
		s.Host, s.Addr = t.Name, host
	}
	return s, nil
}

// OverTCP is a server that Connect reaches at an address, as Odoo does, and not by
// its own socket.
type OverTCP struct {
	Server
	At TCP
}

// Dial connects to the address.
func (o OverTCP) Dial(ctx context.Context) (net.Conn, error) { return o.At.Dial(ctx) }

// tcpTimeout bounds one connect.
const tcpTimeout = 5 * time.Second

// sslRequest is the protocol's question whether the server speaks TLS.
const sslRequest = 80877103

// Dial connects, with TLS as SSLMode wants it: what is put on top need not know.
// Where TLS is demanded nothing is sent without it. "allow" is taken as
// "prefer", which is never less.
func (t TCP) Dial(ctx context.Context) (net.Conn, error) {
	s, err := t.Settings()
	if err != nil {
		return nil, err
	}
	s.User, s.Database = "odpm", "postgres"
	conf, err := libpq.Config(s)
	if err != nil {
		return nil, fmt.Errorf("sslmode (db_sslmode) is %s, and the server at %s: %w", s.SSLMode, t.Addr, err)
	}
	d := net.Dialer{Timeout: tcpTimeout}
	c, err := d.DialContext(ctx, "tcp", t.Addr)
	if err != nil {
		return nil, err
	}
	var encrypt *tls.Config
	plain := false
	for _, f := range append([]*pgconn.FallbackConfig{{TLSConfig: conf.TLSConfig}}, conf.Fallbacks...) {
		plain = plain || f.TLSConfig == nil
		if encrypt == nil {
			encrypt = f.TLSConfig
		}
	}
	if encrypt == nil {
		return c, nil
	}
	e, err := t.encrypt(ctx, c, encrypt, plain, s.SSLMode)
	if err == nil {
		return e, e.SetDeadline(time.Time{})
	}
	err = errors.Join(err, c.Close())
	var broken *handshakeError
	if plain && errors.As(err, &broken) && ctx.Err() == nil {
		// As libpq does where TLS is only preferred.
		return d.DialContext(ctx, "tcp", t.Addr)
	}
	return nil, err
}

// handshakeError is a server that offered TLS, and it came to nothing.
type handshakeError struct{ error }

func (e *handshakeError) Unwrap() error { return e.error }

func (t TCP) encrypt(ctx context.Context, c net.Conn, conf *tls.Config, plain bool, mode string) (net.Conn, error) {
	deadline := time.Now().Add(2 * tcpTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := c.SetDeadline(deadline); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	var ask [8]byte
	binary.BigEndian.PutUint32(ask[:], 8)
	binary.BigEndian.PutUint32(ask[4:], sslRequest)
	var answer [1]byte
	_, err := c.Write(ask[:])
	if err == nil {
		_, err = io.ReadFull(c, answer[:])
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%s does not answer as PostgreSQL: %w", t.Addr, err)
	case answer[0] != 'S' && plain:
		return c, nil
	case answer[0] != 'S':
		return nil, fmt.Errorf("sslmode (db_sslmode) is %s, and the server at %s offers no TLS; nothing was sent to it", mode, t.Addr)
	}
	e := tls.Client(c, conf)
	if err := e.HandshakeContext(ctx); err != nil {
		return nil, &handshakeError{fmt.Errorf("TLS with %s, sslmode (db_sslmode) %s: %w", t.Addr, mode, err)}
	}
	return e, nil
}

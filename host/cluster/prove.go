package cluster

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/shared/pglogin"
)

// Prove logs in over TCP with the password, as Odoo will, never through the
// trusted socket. addr is engine.Server.HostAddr's; database "" is postgres.
// A refusal is a *pglogin.Error, for DiagnoseLogin.
func Prove(ctx context.Context, addr string, w Wanted, database string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("the server's address %q is not host:port", addr)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("the server's address %q is not host:port", addr)
	}
	// prefer is what Odoo does without db_sslmode.
	cfg := pglogin.Config{Host: host, Port: n, User: w.Role, Password: w.Password, Database: database, SSLMode: "prefer", ApplicationName: "odpm", Explicit: true}
	_, err = pglogin.Login(ctx, cfg)
	return err
}

// overTCP is a server that engine.Connect reaches where Odoo does.
type overTCP struct {
	engine.Server
	addr string
}

func (o overTCP) Dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", o.addr)
}

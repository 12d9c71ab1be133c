package cluster

import (
	"context"

	"github.com/odpm/odpm/shared/pglogin"
)

// Prove logs in over TCP with the password, encrypted as Odoo's own connection
// is, never through the trusted socket. addr is engine.Server.HostAddr's;
// database "" is postgres. A refusal is a *pglogin.Error, for DiagnoseLogin.
func Prove(ctx context.Context, addr string, w Wanted, database string) error {
	s, err := w.At(addr).Settings()
	if err != nil {
		return err
	}
	_, err = pglogin.Login(ctx, pglogin.Config{
		Host: s.Host, Addr: s.Addr, Port: s.Port, User: w.Role, Password: w.Password, Database: database,
		SSLMode: s.SSLMode, TLSFiles: s.TLSFiles, Explicit: true, ApplicationName: "odpm",
	})
	return err
}

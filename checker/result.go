package checker

import (
	"log/slog"
	"os"

	"github.com/odpm/odpm/checker/settings"
	"github.com/odpm/odpm/shared/pglogin"
	"github.com/odpm/odpm/shared/snapshot"
)

// writeResult writes what was proven to the file of --result. It is written in
// place: /dev/termination-log is a file that is mounted by itself.
func writeResult(s *settings.Settings, log *slog.Logger, res *pglogin.Result, a announced) error {
	if s.Result == "" {
		return nil
	}
	p := &snapshot.Proven{
		Version: snapshot.ProvenVersion, ProvenAt: snapshot.StampProven(),
		AppRole: res.User, PGMajor: res.Major(), SystemIdentifier: res.SystemIdentifier,
		Endpoint: res.Endpoint, Server: snapshot.ServerPrimary, Pooler: res.Pooler, TLS: res.TLS,
	}
	if res.InRecovery {
		p.Server = snapshot.ServerStandby
	}
	if a.handErr == nil {
		p.HandoffID = a.hand.ID
	}
	data, err := snapshot.EncodeProven(p)
	if err == nil {
		err = os.WriteFile(s.Result, data, 0o644)
	}
	switch {
	case err == nil:
		return nil
	case bool(s.RequireBaseline):
		return &BaselineError{err}
	}
	log.Warn("what was proven was not written for --result: " + err.Error())
	return nil
}

package checker

import (
	"errors"
	"log/slog"
	"os"
	"syscall"

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
		err = writeInPlace(s.Result, data)
	}
	switch {
	case err == nil:
		return nil
	case bool(s.RequireBaseline):
		return &BaselineError{err}
	}
	log.Warn("the proof could not be written to --result: " + err.Error())
	return nil
}

// writeInPlace is os.WriteFile that waits for nobody: opening a pipe that nobody reads
// from would last beyond every deadline, and beyond a signal.
func writeInPlace(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

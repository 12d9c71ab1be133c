package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/odoodb/adminpass"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/regular"
)

// adminPassword takes it from user_settings.json, or asks.
func (w *work) adminPassword() error {
	set := w.Project.Settings
	if w.adminSecret = set.AdminPassword; w.adminSecret != "" || set.AdminPasswordUnset != nil {
		return set.AdminPasswordUnset
	}
	if set.AdminPasswordFile != "" {
		var err error
		w.adminSecret, err = passwordIn(set.AdminPasswordFile)
		return err
	}
	pw, err := w.Term.AskSecret("New password for Odoo's administrator:")
	if errors.Is(err, ui.ErrNobodyToAsk) {
		return errors.New("--set-admin-pass: user_settings.json has no db_creation_data.db_default_admin_password, and there is no terminal to ask on. Set it there (\"${VAR}\" reads it from the environment), or name a file with it: db_default_admin_password_file")
	}
	if err != nil {
		return err
	}
	if pw == "" {
		return &ui.Refusal{Code: codes.Declined, What: "No password was given. Nothing was changed."}
	}
	w.adminSecret = pw
	return nil
}

// passwordIn reads the one line of a file.
func passwordIn(file string) (string, error) {
	b, err := regular.Read(file, 64<<10)
	if err != nil {
		return "", fmt.Errorf("user_settings.json: db_default_admin_password_file: %w", err)
	}
	line := strings.TrimRight(string(b), "\r\n")
	if line == "" || strings.ContainsAny(line, "\r\n") {
		return "", fmt.Errorf("user_settings.json: db_default_admin_password_file: %s does not have exactly one line, the password", file)
	}
	return line, nil
}

func (w *work) setAdmin(ctx context.Context) error {
	set := w.Project.Settings
	rep, err := adminpass.Set(ctx, w.server, adminpass.Password{Database: w.req.Name, Login: set.AdminLogin, Password: w.adminSecret})
	if err != nil {
		return err
	}
	w.result.Admin = &rep
	line := fmt.Sprintf("odpm: the password of %s (%s, id %d) was set", ui.Clean(rep.Login), rep.XMLID, rep.UserID)
	if rep.FormerLogin != "" && rep.FormerLogin != rep.Login {
		line += fmt.Sprintf("; the login was %s", ui.Clean(rep.FormerLogin))
	}
	w.Term.Say("%s", line)
	if rep.Inactive {
		w.Term.Warn("that user is inactive and cannot log in")
	}
	if rep.TwoFactor {
		w.Term.Warn("that user has two-factor authentication; the password alone does not log in")
	}
	if rep.APIKeys > 0 {
		w.Term.Warn("%d API keys still give access to the account; revoke them in Odoo under the user's account security", rep.APIKeys)
	}
	return nil
}

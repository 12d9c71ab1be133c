package look

import (
	"context"
	"slices"

	"github.com/odpm/odpm/host/engine"
)

// LoginInArguments says what an image's own script does with the login, "" where
// it does nothing with it or is gone around: doctor tells it, since nothing in
// a run would show it.
func (v *View) LoginInArguments(ctx context.Context) string {
	if v.Readers.Stack == nil {
		return ""
	}
	img, err := v.Readers.Stack.Image(ctx, v.Project.OdooImage)
	if err != nil || !img.Does.OptionsOfItsOwn {
		// An image that is not here yet is looked at when it is.
		return ""
	}
	command := v.Desired.Image.Command
	if v.Kept != nil {
		_, command = v.KeptCommand(v.Project.OdooServiceName, img.Entrypoint, img.Cmd)
	}
	if slices.Contains(command, engine.OdooProgram) {
		return ""
	}
	text := v.Project.OdooImage + ": " + img.Script + " gives Odoo options of its own. A password among them is in the process's arguments, for ps to show"
	if img.Does.Splits {
		text += ", and one with a space or a * is split there"
	}
	if img.AppendsLogin {
		return text + ". Let it start Odoo by its path, and Odoo read odoo.conf: command: [\"" + engine.OdooProgram + "\"], with db_host, db_user and db_password in odoo.conf"
	}
	return text + ". Keep the login in odoo.conf, and let " + img.Script + ` end with: exec odoo "$@"`
}

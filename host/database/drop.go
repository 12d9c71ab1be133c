package database

import (
	"context"
	"errors"
	"fmt"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/odoodb"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/ui"
)

// confirmDrop asks before anything else: a drop alone cannot be undone. A
// restore that follows makes it safe, because the old database goes only when
// the new one is proven.
func confirmDrop(t *ui.Terminal, r Request) error {
	if !r.Drop || r.Restore != "" || r.Yes {
		return nil
	}
	what := fmt.Sprintf("--db-drop removes the database %q and its file store for good", r.Name)
	ok, err := t.AskName(what+". Type its name to continue:", r.Name)
	switch {
	case errors.Is(err, ui.ErrNobodyToAsk):
		return &ui.Refusal{Code: codes.ConfirmationNeeded, What: what + "; that needs confirmation, and there is no terminal to ask on. Nothing was written or started.",
			Ways: []string{"add --yes"}, Err: err}
	case err != nil:
		return err
	case !ok:
		return &ui.Refusal{Code: codes.Declined, What: "That is not the database's name. Nothing was dropped."}
	}
	return nil
}

// mayDrop refuses what somebody else may have put into the cluster, unless he
// who asks says that he means it.
func (w *work) mayDrop(ctx context.Context) error {
	if w.req.Force {
		return nil
	}
	d, err := odoodb.Look(ctx, w.server, w.req.Name)
	if server.IsMissing(err) {
		return nil // Drop says so
	}
	if err != nil {
		return err
	}
	what := ""
	switch {
	case d.State == odoodb.LeftOverState:
		return nil
	case d.Owner != w.Project.AppRole:
		what = fmt.Sprintf("it belongs to role %q, not to Odoo's role %q", d.Owner, w.Project.AppRole)
	case d.State == odoodb.Other:
		what = "it has tables, but not Odoo's"
	case d.State == odoodb.Unreadable:
		what = "odpm could not read it: " + d.Reason
	default:
		return nil
	}
	return &ui.Refusal{Code: codes.ConfirmationNeeded, What: fmt.Sprintf("Database %q was not dropped: %s.", d.Name, what), Ways: []string{"add --force        to drop it anyway"}}
}

func (w *work) drop(ctx context.Context) error {
	if err := w.mayDrop(ctx); err != nil {
		return err
	}
	other := odoodb.ExternalFiles(ctx, w.server, w.req.Name)
	rep, err := drop.Database(ctx, w.server, w.req.Name)
	if server.IsMissing(err) && (w.req.Init || w.req.Update) {
		w.Term.Say("odpm: there was no database %s to drop", ui.Clean(w.req.Name))
		return nil
	}
	if err != nil {
		return refuse(err)
	}
	w.result.Dropped = &rep
	line := fmt.Sprintf("odpm: dropped %s (owner %s", ui.Clean(rep.Database), ui.Clean(rep.Owner))
	if rep.Sessions > 0 {
		line += fmt.Sprintf("; connections ended: %d", rep.Sessions)
	}
	line += ")"
	if rep.Filestore != "" {
		line += ", and its file store " + w.Rel(rep.Filestore)
		if rep.FilestoreKept {
			line += " (the empty directory is kept, because .env names it)"
		}
	}
	if other.Files > 0 {
		line += "; left as they are: " + other.String()
	}
	w.Term.Say("%s", line)
	return nil
}

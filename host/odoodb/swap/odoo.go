package swap

import (
	"context"
	"fmt"
)

// stopOdoo stops Odoo for the swap, if it runs. A database under a new name is in
// nobody's way.
func stopOdoo(ctx context.Context, j *Journal, odoo OdooService) error {
	if odoo == nil || j.OldOID == 0 {
		return nil
	}
	running, err := odoo.Running(ctx)
	if err != nil {
		return fmt.Errorf("ask whether Odoo runs: %w", err)
	}
	if !running {
		return nil
	}
	// Written first: a kill while Odoo stops must not leave it down.
	j.OdooStopped = true
	if err := j.Save(); err != nil {
		return err
	}
	if err := odoo.Stop(ctx); err != nil {
		return fmt.Errorf("stop Odoo for the swap: %w", err)
	}
	return nil
}

// RestartOdoo starts Odoo again if the swap stopped it.
func RestartOdoo(ctx context.Context, j *Journal, odoo OdooService) error {
	if !j.OdooStopped || odoo == nil {
		return nil
	}
	if err := odoo.Start(ctx); err != nil {
		return fmt.Errorf("start Odoo again: %w", err)
	}
	j.OdooStopped = false
	return j.Save()
}

// OdooService is the Odoo that uses the databases; it stands still while one is
// replaced.
type OdooService interface {
	Running(ctx context.Context) (bool, error)
	Stop(ctx context.Context) error
	Start(ctx context.Context) error
}

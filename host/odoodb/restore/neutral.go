package restore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/neutralize"
)

// neutral looks whether a neutralized copy is harmless, and counts what is still
// active in it. c is a session of whom the copy belongs to.
func (r *restore) neutral(ctx context.Context, c *pgx.Conn) error {
	why, err := neutralize.Unreachable(ctx, c)
	if err != nil {
		return err
	}
	if r.rep.Active, err = neutralize.CountActive(ctx, c); err != nil {
		return err
	}
	if len(why) > 0 && !r.o.AllowIncomplete {
		return neutralize.Incomplete(why)
	}
	for _, w := range why {
		r.rep.warn("NOT neutralized: %s", w)
	}
	if r.rep.Neutralized = len(why) == 0; r.rep.Neutralized {
		return nil
	}
	// Odoo shows the ribbon and holds back by this flag.
	_, err = c.Exec(ctx, `DELETE FROM public.ir_config_parameter WHERE key = 'database.is_neutralized'`)
	return err
}

// neutralByOdoo is neutral after Odoo's own command.
func (r *restore) neutralByOdoo(ctx context.Context) error {
	c, err := r.s.App(ctx, r.journal.New)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	return r.neutral(ctx, c)
}

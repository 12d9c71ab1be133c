package odoodb

import (
	"context"
	"fmt"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/host/odoodb/verify"
)

// ModuleStates gives the state of each module that Odoo has on its list, as
// ir_module_module has it ("installed", "to upgrade", …). A database without
// that list is IsNotOdoo.
func ModuleStates(ctx context.Context, s *server.Server, database string) (map[string]string, error) {
	c, err := s.App(ctx, database)
	if err != nil {
		return nil, err
	}
	defer engine.Close(c)
	var all []tables.Module
	err = s.Unblocked(ctx, server.SessionOf(c), func(ctx context.Context) (err error) {
		all, err = tables.Modules(ctx, c, database)
		return err
	})
	if server.IsLocked(err) {
		return nil, fmt.Errorf("the modules of database %q could not be read: %w", database, err)
	}
	if err != nil {
		return nil, s.ExplainDenied(ctx, database, err)
	}
	states := map[string]string{}
	for _, m := range all {
		states[m.Name] = m.State
	}
	return states, nil
}

// ExternalFiles counts the files of attachments that are in no file store, for a person
// who drops the database: they stay where
// they are. What cannot be asked soon is not known, and counts for none.
func ExternalFiles(ctx context.Context, s *server.Server, database string) verify.Elsewhere {
	ctx, cancel := context.WithTimeout(ctx, inspectTime)
	defer cancel()
	c, err := s.App(ctx, database)
	if err != nil {
		return verify.Elsewhere{}
	}
	defer engine.Close(c)
	_, other, err := verify.StoredFiles(ctx, c)
	if err != nil {
		return verify.Elsewhere{}
	}
	return other
}

package backup

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/load"
	"github.com/odpm/odpm/host/odoodb/needs"
	"github.com/odpm/odpm/host/odoodb/server"
)

// restorable says at the end of a backup what a restore of it leaves out on this
// server, by the plan that a restore makes.
func (b *backup) restorable(ctx context.Context, n *needs.Reader) error {
	b.res.Needs = n.Needs()
	c, err := b.s.Administrator(ctx, server.Maintenance)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	major, err := server.Major(ctx, c)
	if err != nil {
		return err
	}
	has, err := needs.AvailableOn(ctx, c, major)
	if err != nil {
		return err
	}
	left := slices.Clone(b.res.Needs.LeftOut)
	plan := has.Plan(n.Made, nil)
	for _, name := range slices.Sorted(maps.Keys(plan.Leave)) {
		left = append(left, load.Omission{Kind: "extension", Name: name, Text: fmt.Sprintf("extension %q was left out: %s", name, plan.Leave[name])})
	}
	usable, err := needs.UsableTablespaces(ctx, c, b.s.AppRole)
	if err != nil {
		return err
	}
	for _, name := range b.res.Needs.Tablespaces {
		if !usable[name] {
			left = append(left, load.Omission{Kind: "tablespace", Name: name, Text: fmt.Sprintf("role %q may not create tables in the tablespace %q, so a restore puts them into the database's default one (GRANT CREATE ON TABLESPACE allows it)", b.s.AppRole, name)})
		}
	}
	b.res.LeftOut = left
	return nil
}

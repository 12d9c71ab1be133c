package setup

import (
	"context"
	"errors"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/look"
)

// images looks whether each image that a run starts is on this machine, and else
// whether its registry offers it. Nothing is pulled.
func images(ctx context.Context, v *look.View, add func(Level, string, ...any)) {
	stack := v.Readers.Stack
	if stack == nil {
		return
	}
	refs := []string{v.Project.OdooImage}
	if v.Readers.Kind == engines.Docker {
		refs = append(refs, v.Project.PostgresImage)
	}
	if v.Kept != nil {
		refs = []string{v.Kept.Odoo.Image, v.Kept.Postgres.Image}
	}
	for _, ref := range refs {
		if ref == "" {
			continue // a service that is built
		}
		_, err := stack.ImageConf(ctx, ref)
		if !errors.Is(err, engine.ErrNoImage) {
			if err != nil {
				add(Missing, "image %s: %v", ref, err)
			} else {
				add(OK, "image %s is on this machine", ref)
			}
			continue
		}
		err = stack.Offered(ctx, ref)
		switch {
		case err == nil:
			add(OK, "image %s is not on this machine; its registry offers it", ref)
		case errors.Is(err, engine.ErrRegistryLogin):
			add(Note, "image %s is not on this machine, and its registry says nothing about it without a login (%v); see whether it can be pulled: docker pull %s", ref, err, ref)
		case errors.Is(err, engine.ErrNoRegistry):
			add(Missing, "image %s is not on this machine, and its registry could not be asked: %v; connect this machine, or load the image from a file, FILE: docker load -i FILE", ref, err)
		default:
			add(Missing, "image %s is not on this machine, and its registry does not offer it: %v; correct its name or its tag", ref, err)
		}
	}
}

// outside looks whether a server that somebody else runs answers, and takes the
// application role's login.
func outside(ctx context.Context, v *look.View, add func(Level, string, ...any)) {
	if v.Readers.Kind != engines.External || v.Readers.Server == nil {
		return
	}
	if err := v.Answers("a run logs in there"); err != nil {
		add(Missing, "%v", err)
		return
	}
	addr, err := v.Readers.Server.HostAddr(ctx)
	if err != nil {
		add(Missing, "the external PostgreSQL: %v", err)
		return
	}
	add(OK, "the external PostgreSQL at %s answers", addr)
	switch err := v.Login(ctx); {
	case err == nil:
		add(OK, "it takes the login of role %s", v.Project.AppRole)
	case v.MayChangeRoles():
		add(Note, "the login of role %s: %v", v.Project.AppRole, err)
	default:
		add(Missing, "the login of role %s: %v", v.Project.AppRole, err)
	}
}

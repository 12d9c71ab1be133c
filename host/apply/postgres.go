package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/interrupt"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/world"
)

// startTimeout is generous: crash recovery of a big cluster takes its time,
// and says so in the log.
const startTimeout = 15 * time.Minute

// startPostgres starts PostgreSQL alone, after looking once more who has the
// data directory, and proves that it is the planned one.
func (r *Run) startPostgres(ctx context.Context) error {
	holders, err := r.own.Holders(ctx)
	if err != nil {
		return err
	}
	var foreign []engine.Holder
	for _, h := range holders {
		if !h.Own && !r.World.OldService(world.Holder{Holder: h, Here: true, Labelled: h.WorkingDir != ""}, r.Project) {
			foreign = append(foreign, h)
		}
	}
	if err := plan.HeldBy(r.Inputs, foreign); err != nil {
		return err
	}
	if err := r.rememberEngine(); err != nil {
		return err
	}
	r.Term.Step("starting PostgreSQL %d (%s)", r.Project.PostgresMajor, r.Readers.Kind)
	sctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := r.own.Start(sctx); err != nil {
		return fmt.Errorf("PostgreSQL did not start: %w", err)
	}
	if err := r.servesPlanned(ctx); err != nil {
		end, done := interrupt.Cleanup(ctx, time.Minute)
		defer done()
		if stop := r.own.Stop(end); stop != nil {
			return errors.Join(err, fmt.Errorf("it could not be stopped: %w", stop))
		}
		return fmt.Errorf("%w. It was stopped again, and nothing was recorded", err)
	}
	r.done.Started = true
	return nil
}

// rememberEngine: a Docker daemon that is down later must never lead to another
// server on the same data.
func (r *Run) rememberEngine() error {
	if r.Readers.Kind == engines.External {
		return nil
	}
	if err := r.Dirs.Ensure(); err != nil {
		return err
	}
	return r.Dirs.Remember(state.EngineFile, r.Readers.Kind)
}

// servesPlanned proves that the server that was started is the one that was
// planned: its data directory lies in the project's data, and its
// system_identifier is the one that is read there. A volume object left over
// from another path, or an image that keeps its data elsewhere, would go
// unnoticed otherwise, and the wrong cluster would be adopted.
func (r *Run) servesPlanned(ctx context.Context) error {
	server, err := cluster.Probe(ctx, r.PG, r.hints(), r.Project.AppRole)
	if err != nil && (ctx.Err() != nil || !errors.Is(err, cluster.ErrNoAdmin)) {
		return fmt.Errorf("PostgreSQL was started, but odpm could not ask which data directory it uses: %w", err)
	}
	ok, where, err := r.own.Serves(ctx, server.DataDirectory)
	if err != nil {
		return fmt.Errorf("PostgreSQL was started, but odpm could not find out where its data is: %w", err)
	}
	if !ok {
		return r.elsewhereStarted(where)
	}
	planned := r.World.Disk.SystemIdentifier
	if planned == "" {
		// It could not be read before, or there was no cluster yet.
		now, err := r.own.Look(ctx)
		if err != nil {
			return err
		}
		planned = now.SystemIdentifier
	}
	if planned != "" && server.SystemIdentifier != "" && planned != server.SystemIdentifier {
		return fmt.Errorf("PostgreSQL was started on %s, but serves a different cluster: its system_identifier is %s, the data directory's is %s", where, server.SystemIdentifier, planned)
	}
	return nil
}

// elsewhereStarted: the server's data is not the project's.
func (r *Run) elsewhereStarted(where string) error {
	msg := fmt.Sprintf("PostgreSQL was started on the data in %s, not on this project's (%s)", where, r.DataName())
	switch {
	case r.Stack == nil:
		return errors.New(msg)
	case r.Project.KeepCompose:
		return fmt.Errorf("%s: the image keeps its data in a different place than the compose file mounts. To see where: docker image inspect -f '{{.Config.Env}}' %s", msg, r.Project.PostgresImage)
	}
	return fmt.Errorf("%s: image %s does not keep its data where PGDATA says. To see the volume's directory: docker volume inspect %s_%s", msg, r.Project.PostgresImage, r.Project.Name, r.Project.VolumeName)
}

// hints say how to become administrator; the password that this run generated
// is among them.
func (r *Run) hints() cluster.Hints {
	bootstrap, err := r.Dirs.Remembered(state.BootstrapSecret)
	if err != nil {
		bootstrap = ""
	}
	h := r.Hints(bootstrap, r.Stack != nil)
	h.Startup = &r.startup
	return h
}

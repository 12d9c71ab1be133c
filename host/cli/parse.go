package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/drift"
)

// Parse reads the command line as Run does, with every check that needs no
// project, and does nothing else. It is for tests of the commands that messages
// and documentation print. An App parses once.
func (a *App) Parse() error {
	for _, cmd := range all(a.root) {
		if cmd.Runnable() {
			cmd.RunE = func(*cobra.Command, []string) error {
				if _, err := drift.ParseAccepted(a.common.accept); err != nil {
					return err
				}
				_, err := a.database.request()
				return err
			}
		}
	}
	return a.Run(context.Background())
}

package drop

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/shared/shell"
)

// removable tells, before a database is dropped, that its file store could not
// be removed after it. A link in its place is refused as well: nothing that it
// leads to would be removed, and the drop would not be one.
func removable(s *server.Server, database string) error {
	home, err := s.Files.Home(database)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		defer home.Close()
		err = home.Removable()
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS):
		return fmt.Errorf("database %q was not dropped, because its file store could not be removed afterwards: %w. To drop it as a user who may remove both: sudo odpm -d %s --db-drop", database, err, shell.Quote(database))
	}
	return fmt.Errorf("database %q was not dropped: its file store: %w", database, err)
}

// removeFilestore deletes the attachments of a database that no longer exists.
func removeFilestore(ctx context.Context, s *server.Server, database string) (string, error) {
	dir := s.Files.Path(database)
	home, err := s.Files.Home(database)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	var there bool
	if err == nil {
		defer home.Close()
		there, err = home.Drop(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("database %q is dropped, but its file store remains (%w); remove it with: sudo rm -rf %s", database, err, shell.Quote(dir))
	}
	if !there {
		return "", nil
	}
	return dir, nil
}

// HasFilestore says whether there is a file store for a database, or anything
// in its place, which is not to be removed then.
func HasFilestore(s *server.Server, database string) bool {
	home, err := s.Files.Home(database)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		return true
	}
	defer home.Close()
	filled, err := home.Filled(home.Live)
	return filled || err != nil
}

package server

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/cluster"
)

// A statement outlives the client that sent it: CREATE DATABASE goes on for
// seconds after a kill -9 or a Ctrl-C and then commits, and so does a rename.
// Who cleans up must not look before that. So every connection of a restore
// that changes databases holds an advisory lock, which ends with its server
// process and not with ours, and the clean-up ends those processes and waits
// for the lock.

// InterlockKey makes the lock's key of a hidden database's name.
func InterlockKey(hidden string) (int64, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(hidden, HiddenPrefix), 16, 64)
	if err != nil {
		return 0, fmt.Errorf("database name %q is not one of a restore", hidden)
	}
	return int64(n), nil
}

// Interlock takes the lock on a connection to the maintenance database, for as
// long as the connection lives.
func Interlock(ctx context.Context, c *cluster.Session, hidden string) error {
	key, err := InterlockKey(hidden)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, `SELECT pg_catalog.pg_advisory_lock_shared($1::bigint)`, key)
	return err
}

// Quiesce ends what is left of a restore's connections and returns when they
// are gone. c is a connection to the maintenance database that is not one of them.
func Quiesce(ctx context.Context, c *cluster.Session, hidden string) error {
	key, err := InterlockKey(hidden)
	if err != nil {
		return err
	}
	// pg_locks has the key's upper half as classid and its lower one as objid.
	_, err = c.Exec(ctx, `SELECT pg_catalog.pg_terminate_backend(l.pid) FROM pg_catalog.pg_locks l
		WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory'::pg_catalog.text AND l.objsubid OPERATOR(pg_catalog.=) 1::pg_catalog.int2
		AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
		AND l.classid::bigint OPERATOR(pg_catalog.=) $1::bigint AND l.objid::bigint OPERATOR(pg_catalog.=) $2::bigint
		AND l.database OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())`,
		int64(uint64(key)>>32), int64(uint64(key)&0xffffffff))
	if err == nil {
		_, err = c.Exec(ctx, `SELECT pg_catalog.pg_advisory_lock($1::bigint)`, key)
	}
	if err == nil {
		_, err = c.Exec(ctx, `SELECT pg_catalog.pg_advisory_unlock($1::bigint)`, key)
	}
	if err != nil {
		return fmt.Errorf("wait for the end of the interrupted work: %w", err)
	}
	return nil
}

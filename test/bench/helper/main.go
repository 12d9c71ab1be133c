// Command helper is what the benchmark compares with and measures through:
//
//	helper login             a bare login with pgconn: connect, SELECT 1, close
//	helper usage program …   run a program and print its peak memory in KiB
package main

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

func main() {
	if len(os.Args) < 2 {
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "helper:", err)
		os.Exit(1)
	}
}

func run(verb string, args []string) error {
	switch verb {
	case "login":
		ctx := context.Background()
		conn, err := pgconn.Connect(ctx, "sslmode=prefer")
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "SELECT 1").ReadAll(); err != nil {
			return err
		}
		return conn.Close(ctx)
	case "usage":
		// A child that was made by vfork begins with its parent's peak, so the
		// parent has to be small: that is why this is a program of its own.
		p, err := os.StartProcess(args[0], args, &os.ProcAttr{Env: os.Environ(), Files: []*os.File{nil, os.Stderr, os.Stderr}})
		if err != nil {
			return err
		}
		state, err := p.Wait()
		if err != nil {
			return err
		}
		if !state.Success() {
			return fmt.Errorf("%s: %s", args[0], state)
		}
		_, err = fmt.Println(state.SysUsage().(*syscall.Rusage).Maxrss)
		return err
	}
	return fmt.Errorf("no verb %q", verb)
}

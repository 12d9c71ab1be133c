// Command odoodb measures backup and restore of an Odoo database against the
// same work done with standard tools the way Odoo does it:
//
//	go run ./test/bench/odoodb [-small] [-rows N] [-files N] [-repeat N] [-dir DIR] [-keep] [-json]
//
// It makes a PostgreSQL cluster, a database of more than 1 GB and a file store
// of 20,000 files in a directory of its own, some 15 GB in all, and removes them
// at the end. The exit code is 1 where a figure is not reached.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == childVerb {
		if err := runChild(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.IntVar(&o.Rows, "rows", 1_700_000, "rows of the large table")
	flag.IntVar(&o.Files, "files", 20_000, "files of the file store")
	flag.BoolVar(&o.Small, "small", false, "a small database and the lists only, no large one")
	flag.StringVar(&o.Dir, "dir", "", "directory to work in (default a new one in the system's temporary directory)")
	flag.IntVar(&o.Repeat, "repeat", 2, "how often everything is measured; the best time of each counts")
	flag.BoolVar(&o.Keep, "keep", false, "leave the directory there")
	flag.BoolVar(&o.JSON, "json", false, "print JSON")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	rep, err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "odoodb bench:", err)
		os.Exit(1)
	}
	if o.JSON {
		b, _ := json.MarshalIndent(rep, "", "  ")
		fmt.Println(string(b))
	} else {
		rep.print(os.Stdout)
	}
	if !rep.reached() {
		os.Exit(1)
	}
}

type options struct {
	Rows, Files, Repeat int
	Dir                 string
	Keep, JSON, Small   bool
}

func run(ctx context.Context, o options) (rep report, err error) {
	if o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "odpm-bench-"); err != nil {
			return rep, err
		}
	} else if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return rep, err
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return rep, err
	}
	if err := os.Chmod(o.Dir, 0o755); err != nil {
		return rep, err
	}
	p, err := newPlace(o)
	if err != nil {
		return rep, err
	}
	defer p.close(o.Keep)
	return p.measure(ctx)
}

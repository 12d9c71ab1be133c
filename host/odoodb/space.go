package odoodb

import "fmt"

// checkServerSpace refuses a restore that certainly does not fit on the disk of
// the server: PostgreSQL that cannot write its log there goes down, and every
// other database with it. Rows take at least the place that their text takes in
// the dump. Indexes come on top, so what passes may still fail, and then costs
// nothing but the attempt.
func (r *restore) checkServerSpace() error {
	dir := r.s.PostgresDataDir
	if dir == "" || !defaultTablespace(r.plan.old.Tablespace) {
		return nil
	}
	free, err := freeSpace(dir)
	if err != nil {
		return nil // a directory that this user may not reach says nothing
	}
	need := r.a.DumpSize
	if need == 0 {
		need = r.a.Size // the custom format is compressed and does not say
	}
	if need > free {
		return fmt.Errorf("the database needs more than %s in %s, where PostgreSQL keeps it, and %s are free; make room first", mib(need), dir, mib(free))
	}
	return nil
}

// mib is a size for a person: two that differ must not both be "0 MiB".
func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func defaultTablespace(name string) bool { return name == "" || name == "pg_default" }

package load

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/quote"
)

// job is a statement whose place among those of its batch is free, as far as its tables
// are: alone are those that it needs for itself, shared those that others may use beside
// it.
type job struct {
	sql           string
	post          sqldump.Post
	alone, shared []string
	// weight is what its place in the queue goes by.
	weight int64
	// step is what is done of a foreign key in two steps, of which both jobs have two.
	step step
	two  *twoSteps
}

type step int

const (
	all step = iota
	add
	check
)

// twoSteps is a foreign key that is made without a look at the rows, which takes a moment,
// and is checked afterwards. Made at once it locks both of its tables as long as the check
// takes: one at a time of those that refer to the same table, and no index of either table
// meanwhile. The check locks its own table alone.
type twoSteps struct {
	// made: the first step has made it, and it is to be checked.
	made bool
}

// whole is a statement that is run as it is.
func whole(sql string, post sqldump.Post) *job {
	j := &job{sql: sql, post: post, alone: post.Tables}
	if post.Kind == sqldump.Index {
		j.alone, j.shared = nil, post.Tables
	}
	return j
}

// run runs a job. What a foreign key in two steps fails for is judged by its whole
// statement, and said of that.
func (l *Loader) run(ctx context.Context, s *session, j *job) error {
	switch j.step {
	case add:
		err := s.exec(ctx, strings.TrimRight(j.sql, "; \t\r\n")+" NOT VALID")
		if err == nil {
			j.two.made = true
			return nil
		}
		if ctx.Err() != nil {
			return l.explained(err)
		}
	case check:
		if !j.two.made {
			return nil
		}
		table, constraint := quote.Ident(strings.Split(j.post.Tables[0], "\x00")...), quote.Ident(j.post.Name)
		err := s.exec(ctx, "ALTER TABLE ONLY "+table+" VALIDATE CONSTRAINT "+constraint)
		var failed *statementError
		if errors.As(err, &failed) {
			err = s.failed(failed.err, 0, j.sql)
		}
		if err == nil || ctx.Err() != nil || !l.mayLeave(j.sql, err) {
			return l.explained(err)
		}
		return l.explained(s.exec(ctx, "ALTER TABLE ONLY "+table+" DROP CONSTRAINT "+constraint))
	}
	return l.tolerant(ctx, s, []string{j.sql})
}

// inTwoSteps gives a foreign key's jobs.
func (j *job) inTwoSteps() (*job, *job) {
	state := &twoSteps{}
	one := &job{sql: j.sql, post: j.post, alone: j.alone, step: add, two: state}
	two := &job{sql: j.sql, post: j.post, alone: j.post.Tables[:1], step: check, two: state}
	if j.post.Tables[0] != j.post.Tables[1] {
		two.shared = j.post.Tables[1:]
	}
	return one, two
}

// largeTable is one whose rows take a server longer to read than a second round trip.
const largeTable = 16 << 20

// arrange gives the order in which a batch is best run: what takes longest first, since
// the last one should not be the longest. Nothing is put before what it needs.
//
// Foreign keys of large tables are made in two steps. The first one goes before the
// tables' indexes, but behind the keys; the second one goes behind the indexes of its own
// table, and those of the other table are built beside it.
func arrange(batch []*job, sizes map[string]int64) []*job {
	known := keysOf(batch)
	large := map[*job]bool{}
	first := map[*job]bool{}
	checks := map[string]int64{} // table → how many checks of its rows there will be
	for _, j := range batch {
		// A partitioned table is not among the sizes: a check would not reach its parts.
		if j.post.Kind != sqldump.ForeignKey || sizes[j.post.Tables[0]] < largeTable || sizes[j.post.Tables[1]] == 0 {
			continue
		}
		large[j] = true
		if j.post.Checks {
			checks[j.post.Tables[0]]++
		}
		for _, needed := range known.neededBy(j) {
			first[needed] = true
		}
	}
	// The checks of one table run one after the other, behind its indexes: a table that
	// has some comes first.
	weight := func(t string) int64 { return sizes[t] * (1 + 1000*checks[t]) }
	// A small table that a large one refers to counts as large as that one: the foreign
	// key waits for the indexes of both, and stays behind them.
	needed := map[string]int64{}
	var adds, rest []*job
	for _, j := range batch {
		switch tables := j.post.Tables; {
		case large[j] && !j.post.Checks:
			adds = append(adds, j)
		case large[j]:
			one, two := j.inTwoSteps()
			two.weight = weight(tables[0])
			adds, rest = append(adds, one), append(rest, two)
		case j.post.Kind == sqldump.ForeignKey:
			j.weight = max(sizes[tables[0]], sizes[tables[1]])
			for _, t := range tables {
				needed[t] = max(needed[t], j.weight)
			}
			rest = append(rest, j)
		default:
			j.weight = weight(tables[0])
			rest = append(rest, j)
		}
	}
	for _, j := range rest {
		if j.post.Kind != sqldump.ForeignKey {
			j.weight = max(j.weight, needed[j.post.Tables[0]])
		}
	}
	isForeign := func(j *job) int {
		if j.post.Kind == sqldump.ForeignKey {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(rest, func(a, b *job) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(isForeign(a), isForeign(b)), cmp.Compare(b.post.Cost, a.post.Cost))
	})
	var before, after []*job
	for _, j := range rest {
		if first[j] {
			before = append(before, j)
		} else {
			after = append(after, j)
		}
	}
	return slices.Concat(before, adds, after)
}

// keys are what foreign keys refer to, and what locks a whole table, by table.
type keys map[string][]*job

func keysOf(batch []*job) keys {
	k := keys{}
	for _, j := range batch {
		if j.post.Kind == sqldump.Key || j.post.Unique {
			k[j.post.Tables[0]] = append(k[j.post.Tables[0]], j)
		}
	}
	return k
}

// neededBy are the keys of a foreign key's tables: the one that it refers to has to be
// there, and each locks its table, which has to be free. Where it refers to what no key is
// of, unique indexes may be it.
func (k keys) neededBy(foreign *job) (needed []*job) {
	var unique []*job
	found := false
	for i, table := range foreign.post.Tables {
		for _, j := range k[table] {
			switch other := i == 1; {
			case j.post.Kind == sqldump.Key:
				needed = append(needed, j)
				found = found || other && j.post.Columns == foreign.post.Columns
			case other:
				unique = append(unique, j)
			}
		}
	}
	if !found {
		needed = append(needed, unique...)
	}
	return needed
}

// queue gives out statements in their order as far as their tables are free.
type queue struct {
	mu   sync.Mutex
	cond *sync.Cond
	jobs []*job
	// users counts statements that share a table, alone marks tables that one has.
	users map[string]int
	alone map[string]bool
	done  int64
	err   error
}

// take waits for a statement that may run now; false when there are no more.
func (q *queue) take() (*job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.err != nil || len(q.jobs) == 0 {
			return nil, false
		}
		if i := q.ready(); i >= 0 {
			j := q.jobs[i]
			q.jobs = append(q.jobs[:i:i], q.jobs[i+1:]...)
			for _, t := range j.shared {
				q.users[t]++
			}
			for _, t := range j.alone {
				q.alone[t] = true
			}
			return j, true
		}
		q.cond.Wait()
	}
}

// ready is the first statement that conflicts neither with what runs nor with
// what comes before it, -1 if there is none.
func (q *queue) ready() int {
	ahead := map[string]bool{} // table → an earlier statement wants it alone
	seen := map[string]bool{}
	for i, j := range q.jobs {
		ok := true
		for _, t := range j.shared {
			ok = ok && !q.alone[t] && !ahead[t]
		}
		for _, t := range j.alone {
			ok = ok && !q.alone[t] && !ahead[t] && q.users[t] == 0 && !seen[t]
		}
		if ok {
			return i
		}
		for _, t := range j.shared {
			seen[t] = true
		}
		for _, t := range j.alone {
			seen[t], ahead[t] = true, true
		}
	}
	return -1
}

func (q *queue) release(j *job, err error) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range j.shared {
		q.users[t]--
	}
	for _, t := range j.alone {
		delete(q.alone, t)
	}
	if err != nil && q.err == nil {
		q.err = err
	}
	q.done++
	q.cond.Broadcast()
	return q.done
}

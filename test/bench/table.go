package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// row is one line of the table: what was measured, the target it has to reach
// and whether it does. Peers have no target; their ratio says how many times
// ours they are.
type row struct {
	what, value, target, ratio, verdict string
}

const (
	pass = "PASS"
	fail = "FAIL"
)

func verdict(ok bool) string {
	if ok {
		return pass
	}
	return fail
}

func printTable(w io.Writer, rows []row) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "Figure\tMeasured\tTarget\tRatio\t")
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join([]string{r.what, r.value, r.target, r.ratio, r.verdict}, "\t"))
	}
	t.Flush()
}

func median[T int64 | float64 | time.Duration](all []T) T {
	if len(all) == 0 {
		return 0
	}
	s := slices.Clone(all)
	slices.Sort(s)
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// ms shows a time in milliseconds with one decimal.
func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }

// times is "3.4×", how many times of there are in a.
func times(a, of time.Duration) string {
	if of <= 0 {
		return ""
	}
	return fmt.Sprintf("%.2f×", float64(a)/float64(of))
}

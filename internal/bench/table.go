package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// table is what is printed in the end.
type table struct{ rows [][5]string }

// add appends a row: what was measured, the bare loop's or limit's figure, ours, their relation, and what it shall be.
func (t *table) add(what, limit, ours, ratio, goal string) {
	t.rows = append(t.rows, [5]string{what, limit, ours, ratio, goal})
}

func (t *table) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, "MEASURED\tL OR LIMIT\tPELTON\tRATIO\tGOAL")
	for _, r := range t.rows {
		_, _ = fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", r[0], r[1], r[2], r[3], r[4])
	}
	_ = tw.Flush()
}

func median(xs []float64) float64 { return quantile(xs, 0.5) }

func quantile(xs []float64, q float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	s := slices.Clone(xs)
	slices.Sort(s)
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

// limit appends a row whose limit is a number, not a measurement.
func (t *table) limit(what, format string, limit, ours float64, goal string) {
	t.add(what, fmt.Sprintf(format, limit), fmt.Sprintf(format, ours), fmt.Sprintf("%.2f", ours/limit), goal)
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

const (
	firstStartGoal    = 6 * time.Second
	existingStartGoal = 1500 * time.Millisecond
	memoryGoal        = 120 // MiB
	growthGoal        = 1.3
)

func printTable(w io.Writer, cells []*cell) {
	fmt.Fprintln(w, "\nMedians over the rounds; times in milliseconds, processor time (cpu) of the server")
	fmt.Fprintf(w, "per request in microseconds; both with %s and %s.\n", collector, memoryLimit)
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\t\tserver\t\t\t\tbare\t\t\t\tserver/bare\t\t")
	fmt.Fprintln(table, "operation\tconnections\treq/s\tp50\tp99\tcpu\treq/s\tp50\tp99\tcpu\treq/s\tcpu\t")
	for _, c := range cells {
		fmt.Fprintf(table, "%s\t%d\t", c.operation.name, c.connections)
		for _, samples := range [][]sample{c.server, c.bare} {
			fmt.Fprintf(table, "%.0f\t%.2f\t%.2f\t%.0f\t",
				median(samples, func(s sample) float64 { return s.perSecond }),
				median(samples, func(s sample) float64 { return s.p50.Seconds() * 1e3 }),
				median(samples, func(s sample) float64 { return s.p99.Seconds() * 1e3 }),
				median(samples, cpuMicroseconds))
		}
		fmt.Fprintf(table, "%.2f\t%.2f\t\n", c.ratio(),
			median(c.server, cpuMicroseconds)/median(c.bare, cpuMicroseconds))
	}
	_ = table.Flush()
	fmt.Fprintln(w)
}

func printGoals(w io.Writer, cells []*cell, first, existing time.Duration, memory int64) {
	for _, c := range cells {
		c.printGoals(w)
	}
	printGrowth(w, cells)
	fmt.Fprintf(w, "%-5s  start on an existing data directory: %.2f s (at most %.1f s)\n",
		verdict(existing <= existingStartGoal), existing.Seconds(), existingStartGoal.Seconds())
	fmt.Fprintf(w, "%-5s  first start ever: %.2f s (at most %.1f s)\n",
		verdict(first <= firstStartGoal), first.Seconds(), firstStartGoal.Seconds())
	resident := float64(memory) / (1 << 20)
	fmt.Fprintf(w, "%-5s  resident memory of the server after the benchmark: %.0f MiB (at most %d MiB)\n",
		verdict(resident <= memoryGoal), resident, memoryGoal)
}

func verdict(reached bool) string {
	if reached {
		return "ok"
	}
	return "short"
}

func (c *cell) printGoals(w io.Writer) {
	o := c.operation
	if c.connections != o.connections[len(o.connections)-1] {
		return
	}
	if o.rate > 0 {
		fmt.Fprintf(w, "%-5s  %s at %d connections: %.2f of the bare handler's requests per second (at least %.2f)\n",
			verdict(c.ratio() >= o.rate), o.name, c.connections, c.ratio(), o.rate)
	}
	if o.tail > 0 {
		tail := ratio(c.server, c.bare, func(s sample) float64 { return s.p99.Seconds() })
		fmt.Fprintf(w, "%-5s  %s at %d connections: p99 is %.1f times that of updating one row (at most %.0f)\n",
			verdict(tail <= o.tail), o.name, c.connections, tail, o.tail)
	}
}

// printGrowth compares the time for each entry of the longer list of a path
// with that of the shorter one.
func printGrowth(w io.Writer, cells []*cell) {
	for _, long := range cells {
		for _, short := range cells {
			if long.operation.path != short.operation.path || long.connections != 1 || short.connections != 1 ||
				long.operation.entries <= short.operation.entries {
				continue
			}
			growth := ratio(long.server, short.server, func(s sample) float64 { return s.p50.Seconds() }) /
				float64(long.operation.entries) * float64(short.operation.entries)
			fmt.Fprintf(w, "%-5s  GET %s: an entry of %d takes %.2f times as long as one of %d (at most %.1f)\n", verdict(growth <= growthGoal),
				long.operation.path, long.operation.entries, growth, short.operation.entries, growthGoal)
		}
	}
}

func (c *cell) ratio() float64 {
	return ratio(c.server, c.bare, func(s sample) float64 { return s.perSecond })
}

// ratio is the median of the rounds' own ratios: what is measured in one round
// are neighbours in time, the rounds are not.
func ratio(one, other []sample, of func(sample) float64) float64 {
	ratios := make([]float64, len(one))
	for i := range ratios {
		ratios[i] = of(one[i]) / of(other[i])
	}
	return median(ratios, func(r float64) float64 { return r })
}

func cpuMicroseconds(s sample) float64 { return s.cpu.Seconds() * 1e6 }

func median[T any](values []T, of func(T) float64) float64 {
	sorted := make([]float64, len(values))
	for i, v := range values {
		sorted[i] = of(v)
	}
	slices.SortFunc(sorted, cmp.Compare[float64])
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

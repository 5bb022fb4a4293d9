package linux

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strings"
)

const (
	maxProcesses = 50
	maxCommand   = 1024
)

// processes reads the table of any ps by its headline, whose last column is the
// command. Our own processes are left out.
func processes(text, marker string) []Process {
	list := []Process{}
	ours := assemble(marker)
	var columns []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		if columns == nil {
			if !slices.Contains(fields, "PID") {
				return list
			}
			columns = fields
			continue
		}
		if process, fine := parseProcess(columns, fields); fine &&
			!strings.Contains(process.Command, ours) && !oursPattern.MatchString(process.Command) {
			list = append(list, process)
		}
	}
	// Where ps has no shares of CPU, memory tells programs from the kernel's threads.
	slices.SortStableFunc(list, func(a, b Process) int {
		return cmp.Or(cmp.Compare(b.CPU, a.CPU), cmp.Compare(b.RSS, a.RSS), cmp.Compare(b.VSZ, a.VSZ))
	})
	list = list[:min(len(list), maxProcesses)]
	for i := range list {
		list[i].Command = cutRunes(list[i].Command, maxCommand)
	}
	return list
}

// oursPattern knows the tools that a host runs for us and that list themselves.
// Shells are known by the marker.
var oursPattern = regexp.MustCompile(`^(timeout -s KILL 5 )?(ps (aux --sort=-%cpu --cols 2048|-o user,pid,vsz,\S+|w)|head -(c 262144|n 64)|true)$`)

func parseProcess(columns, fields []string) (p Process, fine bool) {
	p.TTY = "?"
	shares := slices.Contains(columns, "%CPU")
	for i, column := range columns {
		if len(fields) == 0 {
			return p, false
		}
		if i == len(columns)-1 {
			p.Command = clean(strings.Join(fields, " "), math.MaxInt)
			break
		}
		field := fields[0]
		fields = fields[1:]
		switch column {
		case "PID":
			p.PID, fine = number(field)
		case "USER":
			p.User = clean(field, maxText)
		case "%CPU":
			p.CPU, _ = decimal(field)
		case "%MEM":
			p.Mem, _ = decimal(field)
		case "VSZ":
			p.VSZ = kibibytes(field)
		case "RSS":
			p.RSS = kibibytes(field)
		case "TTY", "TT":
			p.TTY = clean(field, maxText)
		case "STAT":
			// BusyBox has a place for each letter, and blanks in empty ones.
			if !shares && len(fields) > 1 && (fields[0] == "<" || fields[0] == "N") {
				field += fields[0]
				fields = fields[1:]
			}
			p.Stat = clean(field, maxText)
		case "START":
			p.Start = clean(field, maxText)
		case "TIME":
			p.Time = clean(field, maxText)
		}
	}
	return p, fine && p.Command != ""
}

// kibibytes reads sizes in KiB, which BusyBox shortens: 9120, 12m, 1.2g.
func kibibytes(field string) int64 {
	unit := 1.0
	for _, suffix := range "mgt" {
		unit *= 1024
		if digits, found := strings.CutSuffix(field, string(suffix)); found {
			n, fine := decimal(digits)
			if !fine {
				return 0
			}
			return int64(n * unit)
		}
	}
	return numberOr0(field)
}

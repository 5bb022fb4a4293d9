// Command coverage prints which of the contract's answers the tests have seen,
// every operation with every status that it lists and every socket with its close
// codes, and how the contract stands: the operations, statuses and close codes
// exercised, the examples that work and the answers within the contract. It exits
// with 1 when one of them is below 100 %.
//
//	CONTRACT_COVERAGE=$folder go test -count=1 ./... && go run ./internal/testserver/coverage $folder
package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/nexterm-go/nexterm/internal/contract"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: coverage FOLDER")
		os.Exit(2)
	}
	full, err := run(os.Args[1], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(2)
	}
	if !full {
		os.Exit(1)
	}
}

// seen is what the tests have noted.
type seen struct {
	// statuses that operations have answered with, and codes that they have closed with.
	statuses map[string]map[string]bool
	// examples that were sent, and whether they work.
	examples map[string]bool
	// answers in all, and those within the contract.
	answers, valid int
}

// run prints the table and the scores, and reports whether all are full.
func run(folder string, out io.Writer) (full bool, err error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return false, err
	}
	noted := seen{statuses: map[string]map[string]bool{}, examples: map[string]bool{}}
	for _, file := range files {
		lines, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			return false, err
		}
		for line := range strings.Lines(string(lines)) {
			if words := strings.Fields(line); len(words) == 3 {
				noted.add(words[0], words[1], words[2] == "true")
			}
		}
	}
	return noted.print(out)
}

func (s *seen) add(operation, status string, fine bool) {
	if status == "example" {
		s.examples[operation] = s.examples[operation] || fine
		return
	}
	if s.statuses[operation] == nil {
		s.statuses[operation] = map[string]bool{}
	}
	s.statuses[operation][status] = true
	s.answers++
	if fine {
		s.valid++
	}
}

func (s *seen) print(out io.Writer) (full bool, err error) {
	var statuses, codes table
	var exercised, works int
	var missing []string
	for _, o := range contract.Operations() {
		listed := slices.DeleteFunc(slices.Sorted(maps.Keys(o.Responses.Map())), func(status string) bool { return o.NotYet() && status < "400" })
		statuses = append(statuses, row{o.OperationID, listed})
		if closes := o.CloseCodes(); closes != nil {
			codes = append(codes, row{o.OperationID, closes})
		}
		if len(s.statuses[o.OperationID]) > 0 {
			exercised++
		}
		if s.examples[o.OperationID] {
			works++
		} else {
			missing = append(missing, o.OperationID+" example")
		}
	}
	answered, statusCount, unanswered, err := s.table(out, statuses)
	if err != nil {
		return false, err
	}
	fmt.Fprintln(out)
	closed, codeCount, unclosed, err := s.table(out, codes)
	if err != nil {
		return false, err
	}
	if missing = slices.Concat(unanswered, unclosed, missing); len(missing) > 0 {
		fmt.Fprintf(out, "\nnever seen: %s\n", strings.Join(missing, ", "))
	}
	full = true
	fmt.Fprintln(out)
	for _, score := range []struct {
		of         string
		have, want int
	}{
		{"operations exercised", exercised, len(contract.Operations())},
		{"statuses exercised", answered, statusCount},
		{"close codes exercised", closed, codeCount},
		{"examples executed", works, len(contract.Operations())},
		{"responses validated", s.valid, s.answers},
	} {
		full = full && score.have == score.want && score.want > 0
		fmt.Fprintf(out, "%-21s %5.1f %%  %d of %d\n", score.of, 100*float64(score.have)/float64(max(score.want, 1)), score.have, score.want)
	}
	return full, nil
}

// table is what operations list.
type table []row

type row struct {
	operation string
	listed    []string
}

// table prints which of what is listed was seen, and counts.
func (s *seen) table(out io.Writer, t table) (shown, listed int, missing []string, err error) {
	columns := map[string]bool{}
	for _, r := range t {
		for _, answer := range r.listed {
			columns[answer] = true
		}
	}
	answers := slices.Sorted(maps.Keys(columns))
	writer := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintf(writer, "operation\t%s\n", strings.Join(answers, "\t"))
	for _, r := range t {
		cells := make([]string, len(answers))
		for i, answer := range answers {
			switch {
			case !slices.Contains(r.listed, answer):
				continue
			case s.statuses[r.operation][answer]:
				cells[i] = "✓"
				shown++
			default:
				cells[i] = "–"
				missing = append(missing, r.operation+" "+answer)
			}
			listed++
		}
		fmt.Fprintf(writer, "%s\t%s\n", r.operation, strings.Join(cells, "\t"))
	}
	return shown, listed, missing, writer.Flush()
}

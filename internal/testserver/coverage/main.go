// Command coverage prints which of the contract's answers the tests have seen:
// every operation with every status that it lists. It exits with 1 when an
// operation was never exercised.
//
//	CONTRACT_COVERAGE=$folder go test -count=1 ./... && go run ./internal/testserver/coverage $folder
package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/nexterm-go/nexterm/gen"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: coverage FOLDER")
		os.Exit(2)
	}
	missing, err := run(os.Args[1], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(2)
	}
	if len(missing) > 0 {
		fmt.Fprintln(os.Stderr, "never exercised:", strings.Join(missing, ", "))
		os.Exit(1)
	}
}

// run prints the table and returns the operations that no test has called.
func run(folder string, out io.Writer) (missing []string, err error) {
	document, err := openapi3.NewLoader().LoadFromData(gen.Contract)
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	seen := map[string][]string{}
	for _, file := range files {
		answers, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(answers)) {
			operation, status, _ := strings.Cut(strings.TrimSpace(line), " ")
			if !slices.Contains(seen[operation], status) {
				seen[operation] = append(seen[operation], status)
			}
		}
	}
	return table(document, seen, out)
}

func table(document *openapi3.T, seen map[string][]string, out io.Writer) (missing []string, err error) {
	listed := map[string][]string{}
	columns := map[string]bool{}
	for _, item := range document.Paths.Map() {
		for _, op := range item.Operations() {
			listed[op.OperationID] = slices.Collect(maps.Keys(op.Responses.Map()))
			for _, status := range listed[op.OperationID] {
				columns[status] = true
			}
		}
	}
	statuses := slices.SortedFunc(maps.Keys(columns), func(a, b string) int {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return cmp.Compare(x, y)
	})

	writer := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintf(writer, "operation\t%s\n", strings.Join(statuses, "\t"))
	answers, shown := 0, 0
	for _, operation := range slices.Sorted(maps.Keys(listed)) {
		if len(seen[operation]) == 0 {
			missing = append(missing, operation)
		}
		cells := make([]string, len(statuses))
		for i, status := range statuses {
			switch {
			case !slices.Contains(listed[operation], status):
			case slices.Contains(seen[operation], status):
				cells[i], answers, shown = "✓", answers+1, shown+1
			default:
				cells[i], answers = "–", answers+1
			}
		}
		fmt.Fprintf(writer, "%s\t%s\n", operation, strings.Join(cells, "\t"))
	}
	if err := writer.Flush(); err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(out, "\n%d operations, %d of %d answers shown\n", len(listed), shown, answers)
	return missing, err
}

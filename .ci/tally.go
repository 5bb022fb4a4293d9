// Command tally reads the output of go test -json, prints what failed and nothing else, and
// writes the numbers of passed, failed and skipped tests to the file that its argument names. It
// lives in a folder that ./... leaves out, because it is no part of the product.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is what test2json documents, with what go build -json adds where a package does not
// compile.
type event struct {
	Action, Package, Test, Output string
}

type key struct{ pkg, test string }

type tally struct {
	passed, failed, skipped int
	output                  map[key]*strings.Builder
	// How many failures of a package have been counted: a package can also fail without a test
	// that does, by not compiling, by running out of time or in TestMain.
	counted map[string]int
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go test -json ./... | tally FILE")
		os.Exit(2)
	}
	t := tally{output: map[key]*strings.Builder{}, counted: map[string]int{}}
	if err := t.readAll(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(2)
	}
	counts := fmt.Sprintln(t.passed, t.failed, t.skipped)
	if err := os.WriteFile(os.Args[1], []byte(counts), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(2)
	}
	if t.failed > 0 {
		os.Exit(1)
	}
}

func (t *tally) readAll(r io.Reader) error {
	for lines := bufio.NewReader(r); ; {
		line, err := lines.ReadString('\n')
		if e := (event{}); json.Unmarshal([]byte(line), &e) == nil {
			t.read(e)
		} else {
			// The go command's own words, which say why nothing ran.
			fmt.Print(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (t *tally) read(e event) {
	at := key{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Print(e.Output)
	case "output":
		if t.output[at] == nil {
			t.output[at] = &strings.Builder{}
		}
		t.output[at].WriteString(e.Output)
	case "pass", "skip", "fail":
		if e.Test == "" {
			t.endPackage(e)
			return
		}
		switch e.Action {
		case "pass":
			t.passed++
		case "skip":
			t.skipped++
		case "fail":
			t.failed++
			t.counted[e.Package]++
			t.print(at)
		}
		delete(t.output, at)
	}
}

func (t *tally) endPackage(e event) {
	if e.Action == "fail" {
		if t.counted[e.Package] == 0 {
			t.failed++
		}
		fmt.Println("---", e.Package)
		// Tests that never ended have said something too.
		for at := range t.output {
			if at.pkg == e.Package {
				t.print(at)
			}
		}
	}
	for at := range t.output {
		if at.pkg == e.Package {
			delete(t.output, at)
		}
	}
}

func (t *tally) print(at key) {
	if said := t.output[at]; said != nil {
		fmt.Print(said.String())
	}
}

package testserver

import (
	"flag"
	"testing"
)

// parallel is how many tests run at a time, unless the flag says otherwise.
// Mostly they wait for the database, which leaves the processors to others.
const parallel = "8"

// Main is what TestMain does in the packages of internal/apitest.
func Main(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", parallel); err != nil {
			panic(err)
		}
	}
	m.Run()
}

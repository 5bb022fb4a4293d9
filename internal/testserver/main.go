package testserver

import (
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
)

// parallel is how many tests run at a time. Mostly they wait for the database,
// which leaves the processors to others.
const parallel = 8

// Main is what TestMain does in the packages of internal/apitest. The number of
// tests at a time stays what it is if the flag says so, and on a server of
// somebody else's, whose connections may be few.
func Main(m *testing.M) {
	// Collected as seldom as in a server.
	debug.SetGCPercent(400)
	flag.Parse()
	given := os.Getenv("TEST_DATABASE_URL") != ""
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", strconv.Itoa(max(parallel, runtime.GOMAXPROCS(0)))); err != nil {
			panic(err)
		}
	}
	m.Run()
}

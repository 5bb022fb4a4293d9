// Command nexterm is the server and its tools.
package main

import "github.com/nexterm-go/nexterm/internal/command"

// version is replaced at link time for releases.
var version = "0.1.0"

func main() { command.Execute(version) }

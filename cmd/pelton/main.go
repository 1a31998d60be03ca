// Command pelton is the command line of Pelton and its one-machine mode.
package main

import (
	"os"

	"github.com/pelton-dev/pelton/internal/cli"
)

func main() { os.Exit(cli.Main()) }

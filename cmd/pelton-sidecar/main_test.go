package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"testing"

	sdk "github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
)

// roleEnv makes the test binary another program.
const roleEnv = "TEST_SIDECAR_ROLE"

const (
	roleSidecar = "sidecar" // the program itself
	roleFrames  = "frames"  // a handler on the SDK
	roleExec    = "exec"    // a handler for one event
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case roleSidecar:
		main()
	case roleFrames:
		signal.Reset(syscall.SIGTERM)
		err := functions.Serve(func(context.Context, sdk.Event) (*sdk.Event, error) { return nil, nil })
		fmt.Fprintln(os.Stderr, err)
	case roleExec:
		if data, err := io.ReadAll(os.Stdin); err != nil || string(data) != "x" || os.Getenv("CE_ID") != "one" {
			os.Exit(65)
		}
	default:
		os.Exit(m.Run())
	}
}

package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	sdk "github.com/cloudevents/sdk-go/v2/event"

	"github.com/pelton-dev/pelton/functions"
)

// notesVariable names the file in which a handler notes what it has done. It makes this program the handler.
const notesVariable = "DISK_NOTES"

// What an event asks of its handler. Each way that an event can go writes something else to the disk.
const (
	kindWork   = "work"   // done at once
	kindRetry  = "retry"  // parked once
	kindReject = "reject" // a dead letter
)

var errAsked = errors.New("the event asks for it")

// RunHandler is called first by every program that runs a machine: its handlers are the same program again. It reports
// whether this process is one, and returns when it was told to end.
func RunHandler() (code int, isHandler bool) {
	path := os.Getenv(notesVariable)
	if path == "" {
		return 0, false
	}
	notes, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		err = functions.Serve(func(ctx context.Context, e sdk.Event) (*sdk.Event, error) { return nil, handle(ctx, e, notes) })
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "handler: %v\n", err)
		return 1, true
	}
	return 0, true
}

// handle notes an id with one write before it says that the event is done.
func handle(ctx context.Context, e sdk.Event, notes *os.File) error {
	switch e.Type() {
	case kindReject:
		return functions.Reject(errAsked.Error())
	case kindRetry:
		if functions.FromContext(ctx).Attempt == 1 {
			return errAsked
		}
	}
	_, err := notes.WriteString(e.ID() + "\n")
	return err
}

// readNotes returns how often each event was done. A last line without an end was being written when its handler died.
func readNotes(path string) (map[string]int, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return map[string]int{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read notes: %w", err)
	}
	done := map[string]int{}
	for line := range strings.Lines(string(data)) {
		if id, whole := strings.CutSuffix(line, "\n"); whole {
			done[id]++
		}
	}
	return done, nil
}

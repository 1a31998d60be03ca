package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/internal/event"
)

// maxInput bounds what is read from a file or from stdin.
const maxInput = 16 << 20

// eventFlags are the flags of send and invoke that make an event.
type eventFlags struct {
	data, contentType         string
	id, source, kind, subject string
	attributes                []string
}

func (f *eventFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.data, "data", "d", "", "the data: text, @FILE, or - for stdin")
	flags.StringVar(&f.contentType, "content-type", "", "media type of the data (default: guessed: JSON, text or bytes)")
	flags.StringVar(&f.id, "id", "", "id of the event (default: a new one). Sending an id again stores nothing")
	flags.StringVar(&f.source, "source", "pelton/cli", "source of the event")
	flags.StringVar(&f.kind, "type", "", "type of the event (default: the NATS subject)")
	flags.StringVar(&f.subject, "subject", "", "subject attribute of the event (default: the NATS subject)")
	flags.StringArrayVar(&f.attributes, "attr", nil, "extension attribute NAME=VALUE; may be given more than once")
}

// event makes the event; what was not given comes from the NATS subject.
func (f *eventFlags) event(a *app, natsSubject string) (*event.Event, error) {
	data, err := a.readData(f.data)
	if err != nil {
		return nil, err
	}
	e := &event.Event{
		ID: f.id, Source: f.source, Type: f.kind, Subject: f.subject, DataContentType: f.contentType,
		Time: time.Now().UTC().Format(time.RFC3339Nano), Data: data,
	}
	if e.ID == "" {
		e.ID = uuid.Must(uuid.NewV7()).String()
	}
	if e.Type == "" {
		e.Type = natsSubject
	}
	if e.Subject == "" {
		e.Subject = natsSubject
	}
	if e.DataContentType == "" {
		e.DataContentType = event.GuessContentType(data)
	}
	for _, attr := range f.attributes {
		name, value, ok := strings.Cut(attr, "=")
		if !ok {
			return nil, usage("--attr tenant=acme", "--attr %q: want NAME=VALUE", attr)
		}
		e.Extensions = append(e.Extensions, event.Attribute{Name: name, Value: value})
	}
	return e, validEvent(e)
}

func validEvent(e *event.Event) error {
	problems := e.Validate()
	if len(problems) == 0 {
		return nil
	}
	var errs []error
	for _, p := range problems {
		errs = append(errs, errors.New(p.Detail))
	}
	return &Error{Exit: ExitInvalid, Message: "this is not a valid event", Cause: errors.Join(errs...)}
}

// readData reads what --data names.
func (a *app) readData(arg string) ([]byte, error) {
	switch {
	case arg == "-":
		return readAll(a.stdin, "stdin")
	case strings.HasPrefix(arg, "@"):
		file, err := os.Open(arg[1:])
		if err != nil {
			exit := ExitFailed
			if errors.Is(err, fs.ErrNotExist) {
				exit = ExitNotFound
			}
			return nil, &Error{Exit: exit, Message: "cannot read the data", Cause: err}
		}
		defer func() { _ = file.Close() }()
		return readAll(file, arg[1:])
	case arg == "":
		return nil, nil
	default:
		return []byte(arg), nil
	}
}

func readAll(r io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxInput {
		return nil, &Error{Exit: ExitInvalid, Message: fmt.Sprintf("%s is larger than %d MiB", name, maxInput>>20)}
	}
	return data, nil
}

package cli

import (
	"context"
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
func (f *eventFlags) event(ctx context.Context, a *app, natsSubject string) (*event.Event, error) {
	data, err := a.readData(ctx, f.data)
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
		name, value, err := parseAttribute(attr)
		if err != nil {
			return nil, err
		}
		e.Extensions = append(e.Extensions, event.Attribute{Name: name, Value: value})
	}
	return e, validEvent(e)
}

func parseAttribute(attr string) (name, value string, err error) {
	name, value, ok := strings.Cut(attr, "=")
	if !ok {
		return "", "", usage("--attr tenant=acme", "--attr %q: want NAME=VALUE", attr)
	}
	flag := name
	switch name {
	case "datacontenttype":
		flag = "content-type"
		fallthrough
	case "id", "source", "type", "subject":
		return "", "", usage("--"+flag+" "+value, "--attr is for extensions; %s has a flag of its own", name)
	}
	return name, value, nil
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
func (a *app) readData(ctx context.Context, arg string) ([]byte, error) {
	switch {
	case arg == "-":
		return abandon(ctx, func() ([]byte, error) { return readAll(a.stdin, "stdin") })
	case strings.HasPrefix(arg, "@"):
		return abandon(ctx, func() ([]byte, error) { return readFile(arg[1:]) })
	case arg == "":
		return nil, nil
	default:
		return []byte(arg), nil
	}
}

// abandon returns what read returns, or the end of ctx. A read of a terminal or a pipe cannot be interrupted, nor can the
// opening of a FIFO that nobody writes to: it is left behind, and ends with the process.
func abandon[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := read()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		exit := ExitFailed
		if errors.Is(err, fs.ErrNotExist) {
			exit = ExitNotFound
		}
		return nil, &Error{Exit: exit, Message: "cannot read the data", Cause: err}
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, &Error{Exit: ExitInvalid, Message: "cannot read the data: " + path + " is a folder", Hint: "--data @FILE"}
	}
	return readAll(file, path)
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

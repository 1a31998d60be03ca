package cli

import (
	"cmp"
	"os"

	"github.com/nats-io/nats.go"
)

// credentials are how to get into a NATS server that was named.
type credentials struct {
	creds string // path of a credentials file
	ca    string // path of a PEM file: who may have signed the server's certificate
}

// natsCredentials come from --creds, and like the sidecar's from $NATS_CREDS and $NATS_CA. A file that is not there is a
// mistake in the command line, not of the server.
func (a *app) natsCredentials() (credentials, error) {
	c := credentials{creds: cmp.Or(a.creds, a.getenv("NATS_CREDS")), ca: a.getenv("NATS_CA")}
	for _, path := range []string{c.creds, c.ca} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return c, &Error{
				Exit: ExitNotFound, Message: "cannot read " + path, Cause: err, Hint: "--creds FILE, or $NATS_CREDS and $NATS_CA",
			}
		}
	}
	return c, nil
}

func (c credentials) options() []nats.Option {
	var options []nats.Option
	if c.creds != "" {
		options = append(options, nats.UserCredentials(c.creds))
	}
	if c.ca != "" {
		options = append(options, nats.RootCAs(c.ca))
	}
	return options
}

package cli

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/pelton-dev/pelton/internal/access"
)

// openAccess opens the files that say who may ask over HTTP, nil if there are none. A token on the command line would be seen
// by every user of the machine.
func (u *upRun) openAccess(context.Context) error {
	o := u.opts
	if o.tokenFile == "" && o.rulesFile == "" {
		return nil
	}
	if err := o.checkTokenFile(); err != nil {
		return err
	}
	if _, err := os.Stat(o.rulesFile); o.rulesFile != "" && errors.Is(err, fs.ErrNotExist) {
		return &Error{Exit: ExitNotFound, Message: "there is no access file " + o.rulesFile}
	}
	var err error
	if u.access, err = access.Open(access.Config{
		Tokens: o.tokenFile, Policy: o.rulesFile, Logger: u.log.Named("access"),
	}); err != nil {
		return &Error{Exit: ExitInvalid, Message: "cannot tell who may ask over HTTP", Cause: err}
	}
	return nil
}

func (o *upOptions) checkTokenFile() error {
	if o.tokenFile == "" {
		return nil
	}
	hint := "make one: openssl rand -base64 24 > " + o.tokenFile
	data, err := os.ReadFile(o.tokenFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Exit: ExitNotFound, Message: "there is no token file " + o.tokenFile, Hint: hint}
	case err != nil:
		return &Error{Exit: ExitFailed, Message: "cannot read the token file", Cause: err}
	case len(bytes.TrimSpace(data)) == 0:
		return &Error{Exit: ExitInvalid, Message: "token file " + o.tokenFile + " is empty", Hint: hint}
	}
	return nil
}

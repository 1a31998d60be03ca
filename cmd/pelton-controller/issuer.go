package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/pelton-dev/pelton/internal/natsauth"
	"github.com/pelton-dev/pelton/internal/program"
)

// readIssuer reads the key with which functions are given NATS credentials of their own, and the certificates they get beside
// them. Without PELTON_NATS_ACCOUNT_KEY there is none.
func readIssuer(env *program.Env, getenv func(string) string, caPath string) (issuer *natsauth.Issuer, ca []byte) {
	path, account := env.Path("PELTON_NATS_ACCOUNT_KEY"), getenv("PELTON_NATS_ACCOUNT")
	lifetime := env.Duration("PELTON_CREDENTIALS_LIFETIME", natsauth.DefaultLifetime)
	switch {
	case getenv("PELTON_NATS_ACCOUNT_KEY") == "" && account != "":
		env.Note(errors.New("PELTON_NATS_ACCOUNT_KEY: not set, and PELTON_NATS_ACCOUNT alone signs nothing (the path of a file with " +
			"the seed of a signing key)"))
		return nil, nil
	case path == "":
		return nil, nil
	case getenv("PELTON_NATS_SECRET") != "":
		env.Note(errors.New("PELTON_NATS_SECRET: with PELTON_NATS_ACCOUNT_KEY each function gets a secret of its own (leave one of " +
			"them out)"))
		return nil, nil
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		env.Note(fmt.Errorf("PELTON_NATS_ACCOUNT_KEY: %w", err))
		return nil, nil
	}
	if issuer, err = natsauth.NewIssuer(bytes.TrimSpace(seed), account, lifetime); err != nil {
		env.Note(fmt.Errorf("PELTON_NATS_ACCOUNT_KEY, PELTON_NATS_ACCOUNT, PELTON_CREDENTIALS_LIFETIME: %w", err))
	}
	if caPath == "" {
		return issuer, nil
	}
	if ca, err = os.ReadFile(caPath); err != nil {
		env.Note(fmt.Errorf("NATS_CA: %w", err))
	}
	return issuer, ca
}

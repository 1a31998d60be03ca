package natsauth

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nkeys"
)

// The files of a folder of keys. Each account has a folder of its own in it.
const (
	ConfigFile     = "nats-accounts.conf" // for the servers
	SigningFile    = "signing.seed"       // for a controller
	PublicFile     = "account.pub"        // the public key of an account, for a controller
	ControllerFile = "controller.creds"
	ScalerFile     = "scaler.creds"
	BridgeFile     = "bridge.creds"
	AdminFile      = "admin.creds"  // all of an account
	SystemFile     = "system.creds" // what servers say about themselves; in the folder SYS

	operatorSeedFile = "operator.seed"
	operatorFile     = "operator.jwt"
	accountSeedFile  = "account.seed"
	accountFile      = "account.jwt"
)

// Open reads a folder that Save wrote. The error wraps fs.ErrNotExist if there are no keys in it, and not if some are missing.
func Open(dir string) (*Operator, error) {
	if _, err := os.Stat(filepath.Join(dir, operatorSeedFile)); err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	var o Operator
	var err error
	if o.Seed, err = readLine(dir, operatorSeedFile); err != nil {
		return nil, err
	}
	token, err := readLine(dir, operatorFile)
	if err != nil {
		return nil, err
	}
	o.Token = string(token)
	if o.Name, err = nameIn(o.Token); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, operatorFile), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		a, err := openAccount(filepath.Join(dir, entry.Name()))
		switch {
		case err != nil:
			return nil, err
		case a.Name == systemName:
			o.System = a
		default:
			o.Accounts = append(o.Accounts, a)
		}
	}
	if o.System.Name == "" {
		return nil, fmt.Errorf("read keys: %s has no folder %s", dir, systemName)
	}
	return &o, nil
}

func openAccount(dir string) (a Account, err error) {
	a.Name = filepath.Base(dir)
	if a.Seed, err = readLine(dir, accountSeedFile); err != nil {
		return a, err
	}
	if a.Signing, err = readLine(dir, SigningFile); err != nil {
		return a, err
	}
	token, err := readLine(dir, accountFile)
	if err != nil {
		return a, err
	}
	a.Token = string(token)
	key, err := accountKey(a.Seed)
	if err != nil {
		return a, fmt.Errorf("read %s: %w", filepath.Join(dir, accountSeedFile), err)
	}
	a.PublicKey, err = key.PublicKey()
	return a, err
}

func readLine(dir, name string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, errors.New("read keys: " + err.Error()) // that one of them is missing must not look like an empty folder
	}
	return bytes.TrimSpace(text), nil
}

// AddAccount adds a new account.
func (o *Operator) AddAccount(name string) error {
	names := []string{name}
	for _, a := range o.Accounts {
		names = append(names, a.Name)
	}
	if err := checkNames(names); err != nil {
		return err
	}
	key, err := nkeys.FromSeed(o.Seed)
	if err != nil {
		return fmt.Errorf("key of operator %s: %w", o.Name, err)
	}
	a, err := newAccount(name, key)
	if err != nil {
		return err
	}
	o.Accounts = append(o.Accounts, a)
	return nil
}

// Save writes the keys, readable by nobody else, and what follows from them: the servers' configuration, and credentials of our
// programs and of an administrator of each account. What is there of the same key stays.
func (o *Operator) Save(dir string) error {
	if err := o.saveAccount(dir, o.System, map[string]Permissions{SystemFile: Everything()}); err != nil {
		return err
	}
	for _, a := range o.Accounts {
		users := map[string]Permissions{
			ControllerFile: OfController(), ScalerFile: OfScaler(), BridgeFile: OfBridge(), AdminFile: Everything(),
		}
		if err := o.saveAccount(dir, a, users); err != nil {
			return err
		}
	}
	if err := replace(filepath.Join(dir, operatorFile), []byte(o.Token)); err != nil {
		return err
	}
	if err := replace(filepath.Join(dir, ConfigFile), []byte(o.ServerConfig())); err != nil {
		return err
	}
	return replace(filepath.Join(dir, operatorSeedFile), o.Seed) // last: whoever finds it finds all
}

func (o *Operator) saveAccount(dir string, a Account, users map[string]Permissions) error {
	dir = filepath.Join(dir, a.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	before, err := os.ReadFile(filepath.Join(dir, SigningFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write keys: %w", err)
	}
	issuer, err := NewIssuer(a.Signing, a.PublicKey, 0)
	if err != nil {
		return fmt.Errorf("account %s: %w", a.Name, err)
	}
	same := bytes.Equal(bytes.TrimSpace(before), a.Signing)
	for name, p := range users {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); same && err == nil {
			continue
		}
		content, err := issuer.Permanent(name[:len(name)-len(filepath.Ext(name))], p, time.Now())
		if err != nil {
			return err
		}
		if err := replace(path, content); err != nil {
			return err
		}
	}
	return errors.Join(
		replace(filepath.Join(dir, accountSeedFile), a.Seed), replace(filepath.Join(dir, PublicFile), []byte(a.PublicKey)),
		replace(filepath.Join(dir, accountFile), []byte(a.Token)), replace(filepath.Join(dir, SigningFile), a.Signing),
	)
}

// replace writes a file at once or not at all.
func replace(path string, content []byte) error {
	content = append(bytes.TrimRight(content, "\n"), '\n')
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	return nil
}

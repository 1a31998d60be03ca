package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pelton-dev/pelton/internal/natsauth"
)

func (a *app) natsKeysCommand() *cobra.Command {
	var accounts []string
	var renew string
	cmd := &cobra.Command{
		Use:   "nats-keys DIR",
		Short: "Make the keys of a NATS server that lets nobody in without them",
		Long: "Make keys for NATS in operator mode, and what follows from them: a configuration for the servers, credentials\n" +
			"for the controller, the scaler and an administrator, and the key with which the controller gives each function\n" +
			"credentials of its own. Each --account is a world for itself: namespaces that must not see each other's events\n" +
			"need accounts of their own.\n\n" +
			"In a folder that has keys nothing is made anew: accounts that are missing are added. With --renew the signing\n" +
			"key of an account is made anew, which ends all credentials of the old one as soon as the servers are reloaded.\n" +
			"The folder lets its owner into everything: keep it off the cluster.",
		Example: "  # One account for all functions\n  pelton nats-keys keys\n\n" +
			"  # One for each team; may be repeated with more\n  pelton nats-keys keys --account shop --account payments\n\n" +
			"  # Somebody has read what they should not have\n  pelton nats-keys keys --renew shop",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.natsKeys(args[0], accounts, renew) },
	}
	cmd.Flags().StringArrayVar(&accounts, "account", nil, "name of an account; may be given more than once (default: pelton)")
	cmd.Flags().StringVar(&renew, "renew", "", "name of the account that gets another signing key")
	return cmd
}

// keys is what nats-keys prints under -o json.
type keys struct {
	Folder   string        `json:"folder"`
	Config   string        `json:"config"` // to be included by each server
	Accounts []accountKeys `json:"accounts"`
}

// accountKeys is one account, and whether this call has made it or its signing key.
type accountKeys struct {
	Name      string `json:"name"`
	PublicKey string `json:"publicKey"`
	Folder    string `json:"folder"`
	State     string `json:"state"` // created, renewed or unchanged
}

func (a *app) natsKeys(dir string, accounts []string, renew string) error {
	o, err := natsauth.Open(dir)
	isNew := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !isNew:
		return explain("cannot use the keys in "+dir, err)
	case isNew && renew != "":
		return &Error{Exit: ExitNotFound, Message: "there are no keys in " + dir, Hint: "pelton nats-keys " + dir + " makes some"}
	case isNew:
		if err := checkEmpty(dir); err != nil {
			return err
		}
		if len(accounts) == 0 {
			accounts = []string{"pelton"}
		}
		if o, err = natsauth.NewOperator("pelton"); err != nil {
			return explain("cannot make keys", err)
		}
	}
	state := map[string]string{}
	for _, name := range accounts {
		if slices.ContainsFunc(o.Accounts, func(a natsauth.Account) bool { return a.Name == name }) {
			continue
		}
		if err := o.AddAccount(name); err != nil {
			return usage("pelton nats-keys --help", "%s", err)
		}
		state[name] = "created"
	}
	if renew != "" {
		if err := o.Renew(renew); err != nil {
			return &Error{Exit: ExitNotFound, Message: err.Error(), Hint: "ls " + dir}
		}
		state[renew] = "renewed"
	}
	if err := o.Save(dir); err != nil {
		return explain("cannot write the keys", err)
	}
	return a.showKeys(dir, o, state)
}

// checkEmpty refuses a folder with other things in it.
func checkEmpty(dir string) error {
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err == nil && len(found) > 0 {
		return &Error{
			Exit: ExitConflict, Message: "the folder " + dir + " is not empty, and has no keys in it",
			Hint: "name a folder that is not there yet",
		}
	}
	return nil
}

func (a *app) showKeys(dir string, o *natsauth.Operator, state map[string]string) error {
	k := keys{Folder: dir, Config: filepath.Join(dir, natsauth.ConfigFile), Accounts: []accountKeys{}}
	rows := [][]string{{"ACCOUNT", "STATE", "PUBLIC KEY", "FOLDER"}}
	for _, account := range o.Accounts {
		row := accountKeys{account.Name, account.PublicKey, filepath.Join(dir, account.Name), state[account.Name]}
		if row.State == "" {
			row.State = "unchanged"
		}
		k.Accounts = append(k.Accounts, row)
		rows = append(rows, []string{row.Name, row.State, row.PublicKey, row.Folder})
	}
	if a.json() {
		return a.writeJSON(k)
	}
	if err := writeTable(a.stdout, rows); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "\nEach server includes %s, and is reloaded after every change of it: nats-server --signal reload\n", k.Config)
	return nil
}

package natsauth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// Operator is a fresh set of keys for servers in operator mode. Servers hold nothing but its tokens: they let in whom the keys
// have signed, and whoever holds a key can let in others without asking a server.
type Operator struct {
	Name     string
	Seed     []byte
	Token    string
	System   Account
	Accounts []Account
}

// NewOperator makes an operator with a system account and accounts of these names, each with a signing key and without limits.
func NewOperator(name string, accounts ...string) (*Operator, error) {
	if err := checkNames(accounts); err != nil {
		return nil, err
	}
	key, err := nkeys.CreateOperator()
	if err != nil {
		return nil, fmt.Errorf("make key of operator %s: %w", name, err)
	}
	o := &Operator{Name: name}
	if o.Seed, err = key.Seed(); err != nil {
		return nil, fmt.Errorf("make key of operator %s: %w", name, err)
	}
	if o.System, err = newAccount(systemName, key); err != nil {
		return nil, err
	}
	for _, account := range accounts {
		a, err := newAccount(account, key)
		if err != nil {
			return nil, err
		}
		o.Accounts = append(o.Accounts, a)
	}
	o.Token, err = operatorToken(name, o.System.PublicKey, key)
	return o, err
}

func operatorToken(name, system string, key nkeys.KeyPair) (string, error) {
	public, err := key.PublicKey()
	if err != nil {
		return "", fmt.Errorf("make key of operator %s: %w", name, err)
	}
	claims := jwt.NewOperatorClaims(public)
	claims.Name, claims.SystemAccount = name, system
	token, err := claims.Encode(key)
	if err != nil {
		return "", fmt.Errorf("sign operator %s: %w", name, err)
	}
	return token, nil
}

// nameIn reads the name that an operator's token says.
func nameIn(token string) (string, error) {
	claims, err := jwt.DecodeOperatorClaims(token)
	if err != nil {
		return "", err
	}
	return claims.Name, nil
}

// checkNames takes what can be the name of a folder, each once.
func checkNames(accounts []string) error {
	for i, name := range accounts {
		switch {
		case name == "" || len(name) > 63 || strings.ContainsFunc(name, notInName):
			return fmt.Errorf("account name: %q has other characters than letters, digits, - and _, or none, or more than 63", name)
		case strings.EqualFold(name, systemName):
			return fmt.Errorf("account name: %s is the account of the servers, choose another", name)
		case slices.Contains(accounts[:i], name):
			return fmt.Errorf("account name: %s is given twice", name)
		}
	}
	return nil
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// Renew gives an account another signing key, and the token that knows it alone: once the servers have read that token, all
// credentials of the old key are refused.
func (o *Operator) Renew(account string) error {
	i := slices.IndexFunc(o.Accounts, func(a Account) bool { return a.Name == account })
	if i < 0 {
		return fmt.Errorf("account %s: operator %s has none of that name", account, o.Name)
	}
	key, err := nkeys.FromSeed(o.Seed)
	if err != nil {
		return fmt.Errorf("key of operator %s: %w", o.Name, err)
	}
	return o.Accounts[i].renew(key)
}

// maxControlLine is the longest line that a client may send, credentials and all. Those of a function name each of its consumers
// three times: with the 4 KiB that servers take by default, one of nine triggers, or of four with long names, would not get in.
const maxControlLine = 64 << 10

// ServerConfig is the part of a server's configuration that makes it believe the operator. There is no secret in it.
func (o *Operator) ServerConfig() string {
	var text strings.Builder
	fmt.Fprintf(&text, "max_control_line: %d\n", maxControlLine)
	fmt.Fprintf(&text, "operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: {\n", o.Token, o.System.PublicKey)
	for _, a := range append([]Account{o.System}, o.Accounts...) {
		fmt.Fprintf(&text, "  # %s\n  %s: %s\n", a.Name, a.PublicKey, a.Token)
	}
	return text.String() + "}\n"
}

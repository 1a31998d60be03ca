package natsauth

import (
	"fmt"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// systemName is the name of the account in which servers talk about themselves.
const systemName = "SYS"

// Account is one of an operator's accounts: what is published in it is seen there and nowhere else.
type Account struct {
	Name      string
	PublicKey string
	Seed      []byte // the account's own
	Signing   []byte // seed of the key that signs credentials: what a controller is given
	Token     string
}

func newAccount(name string, operator nkeys.KeyPair) (Account, error) {
	a := Account{Name: name}
	key, err := nkeys.CreateAccount()
	if err != nil {
		return a, fmt.Errorf("make key of account %s: %w", name, err)
	}
	if a.PublicKey, err = key.PublicKey(); err != nil {
		return a, fmt.Errorf("make key of account %s: %w", name, err)
	}
	if a.Seed, err = key.Seed(); err != nil {
		return a, fmt.Errorf("make key of account %s: %w", name, err)
	}
	return a, a.renew(operator)
}

// renew makes the signing key, and the token that names it.
func (a *Account) renew(operator nkeys.KeyPair) error {
	signing, err := nkeys.CreateAccount()
	if err != nil {
		return fmt.Errorf("make signing key of account %s: %w", a.Name, err)
	}
	public, err := signing.PublicKey()
	if err != nil {
		return fmt.Errorf("make signing key of account %s: %w", a.Name, err)
	}
	if a.Signing, err = signing.Seed(); err != nil {
		return fmt.Errorf("make signing key of account %s: %w", a.Name, err)
	}
	claims := jwt.NewAccountClaims(a.PublicKey)
	claims.Name = a.Name
	claims.SigningKeys.Add(public)
	if a.Name != systemName {
		claims.Limits.JetStreamLimits = allOfJetStream()
	}
	if a.Token, err = claims.Encode(operator); err != nil {
		return fmt.Errorf("sign account %s: %w", a.Name, err)
	}
	return nil
}

// allOfJetStream is as much as the server has.
func allOfJetStream() jwt.JetStreamLimits {
	return jwt.JetStreamLimits{
		MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit,
		MaxAckPending: jwt.NoLimit, MemoryMaxStreamBytes: jwt.NoLimit, DiskMaxStreamBytes: jwt.NoLimit,
	}
}

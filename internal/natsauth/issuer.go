package natsauth

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/pelton-dev/pelton/internal/function"
)

// DefaultLifetime is how long credentials hold. They are renewed at half of it, so a controller may be away for the other half.
const DefaultLifetime = 24 * time.Hour

// MinLifetime is the shortest there may be: credentials tell the time in seconds, and half a lifetime is one step.
const MinLifetime = 2 * time.Second

// deriving names what keys are derived for, so that no other use of the same seed ever comes to the same keys.
const deriving = "pelton: key of a function on NATS"

// Issuer issues credentials of one account.
type Issuer struct {
	signer  nkeys.KeyPair
	secret  []byte // users' keys are derived from it
	account string // "" if the signer is the account's own key
	step    time.Duration
}

// NewIssuer makes an issuer of the seed of a signing key of the account, or of the account's own. account is the account's
// public key; it may be left out with the account's own seed. A lifetime of 0 is DefaultLifetime.
func NewIssuer(seed []byte, account string, lifetime time.Duration) (*Issuer, error) {
	if lifetime == 0 {
		lifetime = DefaultLifetime
	}
	if lifetime < MinLifetime {
		return nil, fmt.Errorf("lifetime of credentials: %v is less than %v", lifetime, MinLifetime)
	}
	signer, err := accountKey(seed)
	if err != nil {
		return nil, fmt.Errorf("key that signs credentials: %w", err)
	}
	own, err := signer.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("key that signs credentials: %w", err)
	}
	if account == own {
		account = ""
	}
	if account != "" && !nkeys.IsValidPublicAccountKey(account) {
		return nil, fmt.Errorf("account: %q is not the public key of an account, which begins with A", account)
	}
	_, secret, err := nkeys.DecodeSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("key that signs credentials: %w", err)
	}
	return &Issuer{signer: signer, secret: secret, account: account, step: (lifetime / 2).Truncate(time.Second)}, nil
}

// accountKey reads a seed. Its errors do not repeat it.
func accountKey(seed []byte) (nkeys.KeyPair, error) {
	kp, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, errors.New("it is not a seed (want one line that begins with SA)")
	}
	public, err := kp.PublicKey()
	if err != nil {
		return nil, err
	}
	if !nkeys.IsValidPublicAccountKey(public) {
		return nil, errors.New("it is the seed of something else than an account (want one that begins with SA)")
	}
	return kp, nil
}

// Credentials let a sidecar in.
type Credentials struct {
	File      []byte // what the client reads
	PublicKey string // of the user; what one revokes
	Expires   time.Time
	Renew     time.Time // when the next ones may be issued
}

// Issue returns the credentials that a function has at a time. Equal arguments give equal credentials, and so does every moment
// until Renew. uid tells a function from one that had its name before, and earlier are as in OfFunction.
func (i *Issuer) Issue(fn *function.Function, uid string, now time.Time, earlier ...*function.Function) (Credentials, error) {
	p, err := OfFunction(fn, earlier...)
	if err != nil {
		return Credentials{}, fmt.Errorf("issue credentials: %w", err)
	}
	key := fn.Key()
	begin := i.epoch(key, uid, now)
	user, err := i.user(key, uid, begin)
	if err != nil {
		return Credentials{}, fmt.Errorf("issue credentials of %s: %w", key, err)
	}
	c := Credentials{Expires: begin.Add(2 * i.step), Renew: begin.Add(i.step)}
	if c.File, c.PublicKey, err = i.credentials(key.String(), user, p, begin, c.Expires); err != nil {
		return Credentials{}, fmt.Errorf("issue credentials of %s: %w", key, err)
	}
	return c, nil
}

// epoch is when the credentials of now began. Each function has its own moments: otherwise all would be renewed at once.
func (i *Issuer) epoch(key function.Key, uid string, now time.Time) time.Time {
	sum := sha256.Sum256(identity(key, uid))
	step := int64(i.step / time.Second)
	shift := int64(binary.BigEndian.Uint64(sum[:8]) >> 1 % uint64(step))
	past := now.Unix() - shift
	return time.Unix(past-past%step+shift, 0).UTC()
}

// user derives the key that a function has in one epoch.
func (i *Issuer) user(key function.Key, uid string, begin time.Time) (nkeys.KeyPair, error) {
	salt := binary.BigEndian.AppendUint64(identity(key, uid), uint64(begin.Unix()))
	raw, err := hkdf.Key(sha256.New, i.secret, salt, deriving, 32)
	if err != nil {
		return nil, err
	}
	return nkeys.FromRawSeed(nkeys.PrefixByteUser, raw)
}

// identity writes the length of each part before it, so that no two functions are written alike.
func identity(key function.Key, uid string) (text []byte) {
	for _, part := range []string{key.Namespace, key.Name, uid} {
		text = append(binary.AppendUvarint(text, uint64(len(part))), part...)
	}
	return text
}

// Permanent returns credentials of a new key that never expire, for a program or a person.
func (i *Issuer) Permanent(name string, p Permissions, now time.Time) ([]byte, error) {
	user, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("make key of %s: %w", name, err)
	}
	content, _, err := i.credentials(name, user, p, now, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("issue credentials of %s: %w", name, err)
	}
	return content, nil
}

func (i *Issuer) credentials(name string, user nkeys.KeyPair, p Permissions, begin, end time.Time) ([]byte, string, error) {
	public, err := user.PublicKey()
	if err != nil {
		return nil, "", err
	}
	claims := jwt.NewUserClaims(public)
	claims.Name, claims.IssuedAt, claims.IssuerAccount = name, begin.Unix(), i.account
	if !end.IsZero() {
		claims.Expires = end.Unix()
	}
	claims.Permissions = p.claims()
	claims.AllowedConnectionTypes = jwt.StringList{jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket}
	token, err := sign(claims, i.signer)
	if err != nil {
		return nil, "", err
	}
	content, err := file(token, user)
	return content, public, err
}

package natsauth

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// tokenVersion is the version of the claims that jwt.UserClaims are.
const tokenVersion = 2

// sign writes a token. The library's own way to do it puts the time of the call into each, so that no two would be equal.
func sign(claims *jwt.UserClaims, signer nkeys.KeyPair) (string, error) {
	issuer, err := signer.PublicKey()
	if err != nil {
		return "", err
	}
	claims.Issuer, claims.Type, claims.Version = issuer, jwt.UserClaim, tokenVersion
	header, err := part(jwt.Header{Type: jwt.TokenTypeJwt, Algorithm: jwt.AlgorithmNkey})
	if err != nil {
		return "", err
	}
	body, err := part(claims)
	if err != nil {
		return "", err
	}
	text := header + "." + body
	signature, err := signer.Sign([]byte(text))
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func part(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(text), nil
}

// file is the content of a credentials file, as every NATS client reads it.
func file(token string, user nkeys.KeyPair) ([]byte, error) {
	seed, err := user.Seed()
	if err != nil {
		return nil, err
	}
	return jwt.FormatUserConfig(token, seed)
}

package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// authorize gets what lets us in, as the registry's challenges ask for it. Where there is no way, the error is what the
// registry has said.
func (s *session) authorize(ctx context.Context, challenges []string, refused *Error) error {
	var credentials Credentials
	if find := s.client.cfg.Credentials; find != nil {
		var err error
		if credentials, err = find(ctx, s.repo.RegistryStr()); err != nil {
			return fmt.Errorf("find credentials for %s: %w", s.repo.RegistryStr(), err)
		}
	}
	authorization := ""
	for _, text := range challenges {
		c := parseChallenge(text)
		switch {
		case c.scheme == "bearer":
			token, err := s.token(ctx, c, credentials)
			if err != nil {
				return err
			}
			authorization = "Bearer " + token
		case c.scheme == "basic" && credentials.User != "" && authorization == "":
			authorization = basic(credentials)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user = credentials.User
	if authorization == "" {
		refused.User = s.user
		return refused
	}
	s.authorization = authorization
	return nil
}

func basic(c Credentials) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Password))
}

// token asks the token service that the registry has named.
func (s *session) token(ctx context.Context, c challenge, credentials Credentials) (string, error) {
	req, err := s.tokenRequest(ctx, c, credentials)
	if err != nil {
		return "", err
	}
	resp, err := s.client.http.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask for a token: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		refused := refusal(resp, s)
		refused.User = credentials.User
		return "", fmt.Errorf("ask %s for a token: %w", req.URL.Host, refused)
	}
	defer resp.Body.Close()
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxToken)).Decode(&answer); err != nil {
		return "", fmt.Errorf("read token of %s: %w", req.URL.Host, err)
	}
	if answer.Token == "" {
		answer.Token = answer.AccessToken
	}
	if answer.Token == "" {
		return "", fmt.Errorf("read token of %s: there is none in the answer", req.URL.Host)
	}
	return answer.Token, nil
}

// maxToken bounds what is read of a token service.
const maxToken = 1 << 20

func (s *session) tokenRequest(ctx context.Context, c challenge, credentials Credentials) (*http.Request, error) {
	realm, err := url.Parse(c.params["realm"])
	if err != nil || realm.Host == "" {
		return nil, fmt.Errorf("registry %s names no token service: %q", s.repo.RegistryStr(), c.params["realm"])
	}
	secret := credentials.Password != "" || credentials.IdentityToken != ""
	if secret && realm.Scheme != "https" && s.repo.Scheme() == "https" {
		return nil, fmt.Errorf("registry %s wants the password sent to %s unencrypted", s.repo.RegistryStr(), realm.Host)
	}
	query := realm.Query()
	query.Set("scope", "repository:"+s.repo.RepositoryStr()+":"+s.actions)
	if service := c.params["service"]; service != "" {
		query.Set("service", service)
	}
	if credentials.IdentityToken != "" {
		return exchange(ctx, realm, query, credentials)
	}
	realm.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, realm.String(), nil)
	if err != nil {
		return nil, err
	}
	if credentials.User != "" {
		req.Header.Set("Authorization", basic(credentials))
	}
	return req, nil
}

// exchange asks for a token in return for an identity token.
func exchange(ctx context.Context, realm *url.URL, query url.Values, credentials Credentials) (*http.Request, error) {
	query.Set("grant_type", "refresh_token")
	query.Set("client_id", "pelton")
	query.Set("refresh_token", credentials.IdentityToken)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, realm.String(), strings.NewReader(query.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, nil
}

// challenge is how a registry wants to be shown who we are.
type challenge struct {
	scheme string // in lower case
	params map[string]string
}

// parseChallenge reads a header such as: Bearer realm="https://...",service="...". What it cannot read it leaves out.
func parseChallenge(text string) challenge {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	c := challenge{scheme: strings.ToLower(scheme), params: map[string]string{}}
	for rest != "" {
		key, after, found := strings.Cut(rest, "=")
		if !found {
			break
		}
		value, more, err := parameter(after)
		if err != nil {
			break
		}
		c.params[strings.ToLower(strings.Trim(key, " ,"))] = value
		rest = more
	}
	return c
}

// parameter reads a value, in quotes or not, and returns what follows it.
func parameter(text string) (value, rest string, err error) {
	text = strings.TrimLeft(text, " ")
	if !strings.HasPrefix(text, `"`) {
		value, rest, _ = strings.Cut(text, ",")
		return strings.TrimSpace(value), rest, nil
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return b.String(), strings.TrimLeft(text[i+1:], ", "), nil
		case '\\':
			if i++; i == len(text) {
				return "", "", errUnquoted
			}
		}
		b.WriteByte(text[i])
	}
	return "", "", errUnquoted
}

var errUnquoted = errors.New("the quotes do not end")

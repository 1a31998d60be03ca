package natsclient

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"go.uber.org/zap"
)

// DefaultCredsCheck is how often it is looked whether the credentials were renewed.
const DefaultCredsCheck = 10 * time.Second

// inboxOf returns the prefix of the inboxes that credentials allow, if that is one of their own, and else "". Only the server
// believes credentials; this is about which of its answers we can hear.
func inboxOf(content []byte) string {
	var claims struct {
		NATS struct {
			Sub struct{ Allow []string } `json:"sub"`
		} `json:"nats"`
	}
	token, err := nkeys.ParseDecoratedJWT(content)
	if err != nil {
		return ""
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(body, &claims) != nil {
		return ""
	}
	for _, subject := range claims.NATS.Sub.Allow {
		prefix, ok := strings.CutSuffix(subject, ".>")
		if ok && strings.HasPrefix(prefix, "_INBOX") && !strings.ContainsAny(prefix, "*>") {
			return prefix
		}
	}
	return ""
}

// credentials are those of a connection, in a file that somebody may write anew.
type credentials struct {
	path string
	last []byte // what was read last
}

func (c *credentials) options() ([]nats.Option, error) {
	if c.path == "" {
		return nil, nil
	}
	content, err := os.ReadFile(c.path)
	if err != nil {
		return nil, fmt.Errorf("read NATS credentials: %w", err)
	}
	c.last = content
	options := []nats.Option{nats.UserCredentials(c.path)}
	if prefix := inboxOf(content); prefix != "" {
		options = append(options, nats.CustomInboxPrefix(prefix))
	}
	return options, nil
}

// renewed reports whether the file has other credentials than the last time. What cannot be read or used is no news: the old
// ones hold for some time yet.
func (c *credentials) renewed() bool {
	content, err := os.ReadFile(c.path)
	if err != nil || bytes.Equal(content, c.last) {
		return false
	}
	if _, err := nkeys.ParseDecoratedJWT(content); err != nil {
		return false
	}
	if _, err := nkeys.ParseDecoratedNKey(content); err != nil {
		return false
	}
	c.last = content
	return true
}

// OnRenewal has reconnect called when the credentials were renewed, and not (*nats.Conn).ForceReconnect: for who has something
// to do before the connection is lost. It must be called before Run.
func (c *Conn) OnRenewal(reconnect func() error) { c.reconnect = reconnect }

// watchCredentials connects anew when there are other credentials, until ctx ends. So it is not the server that breaks the
// connection when the old ones expire, at a moment that suits nobody; and rights that were added count at once.
func (c *Conn) watchCredentials(ctx context.Context) {
	if c.creds.path == "" {
		return
	}
	tick := time.NewTicker(c.check)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !c.IsConnected() || !c.creds.renewed() {
			continue
		}
		c.log.Info("credentials were renewed, connecting anew")
		if err := c.reconnect(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			c.log.Warn("connection not made anew, the old credentials hold until they expire", zap.Error(err))
		}
	}
}

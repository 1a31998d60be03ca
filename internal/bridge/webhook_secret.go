package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/webhook"
)

// Webhook says that a provider signs the requests of a route.
type Webhook struct {
	Scheme  webhook.Scheme
	Secrets []SecretFile
}

// SecretFile is a file that holds one secret. It is read for each request.
type SecretFile struct {
	Path     string
	Optional bool // it need not be there
}

// WebhookOf makes the webhook of a trigger; nil if it has none. file says which file holds a key of a secret: there the host decides.
func WebhookOf(t *function.HTTPTrigger, file func(function.KeyRef) string) *Webhook {
	if t.Webhook == nil {
		return nil
	}
	w := &Webhook{Scheme: webhook.Scheme(t.Webhook.Scheme)}
	for _, from := range t.Webhook.SecretFrom {
		w.Secrets = append(w.Secrets, SecretFile{Path: file(from.SecretKeyRef), Optional: from.SecretKeyRef.Optional})
	}
	return w
}

func (w *Webhook) validate() error {
	if w == nil {
		return nil
	}
	if !slices.Contains(webhook.Schemes(), w.Scheme) {
		return fmt.Errorf("webhook: %q is not a scheme: want one of %v", string(w.Scheme), webhook.Schemes())
	}
	if len(w.Secrets) == 0 {
		return errors.New("webhook: it has no secret")
	}
	return nil
}

// keys reads the secrets. The error names all that are missing or cannot be used; the keys are those of the others.
func (w *Webhook) keys() (keys [][]byte, missing error) {
	for _, file := range w.Secrets {
		secret, err := os.ReadFile(file.Path)
		if errors.Is(err, fs.ErrNotExist) && file.Optional {
			continue
		}
		if err != nil {
			missing = errors.Join(missing, fmt.Errorf("read webhook secret: %w", err))
			continue
		}
		key, err := w.Scheme.Key(secret)
		if err != nil {
			missing = errors.Join(missing, fmt.Errorf("%s: %w", file.Path, err))
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 && missing == nil {
		missing = errors.New("read webhook secret: all of them are optional, and none is there")
	}
	return keys, missing
}

package desired

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pelton-dev/pelton/internal/function"
)

// ExpiresAnnotation is on the secret of a function's own NATS credentials and says until when they hold.
const ExpiresAnnotation = "pelton.dev/credentials-expire"

// The keys of that secret.
const (
	ownCredsKey = "nats.creds"
	ownCAKey    = "ca.crt"
)

// SecretName is what the secret of a function's own NATS credentials is called.
func SecretName(key function.Key) string { return ObjectName(key) + "-nats" }

// Secret is the object that the pods of a function wait for where Settings.OwnCredentials is set. It is none of Objects: what is
// in it depends on the time, and nobody needs a right to read it. ca is left out if there is none.
func Secret(fn *function.Function, creds, ca []byte, expires time.Time) (*unstructured.Unstructured, error) {
	b := blueprint{fn: fn}
	s := &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: b.meta(),
		Type: corev1.SecretTypeOpaque, Data: map[string][]byte{ownCredsKey: creds},
	}
	s.Name = SecretName(fn.Key())
	s.Annotations = map[string]string{ExpiresAnnotation: expires.UTC().Format(time.RFC3339)}
	if len(ca) > 0 {
		s.Data[ownCAKey] = ca
	}
	return plain(s)
}

// ownCredentials are what the pods of a function mount where each has its own.
func ownCredentials(key function.Key, own OwnCredentials) NATSCredentials {
	c := NATSCredentials{Secret: SecretName(key), Creds: ownCredsKey}
	if own == OwnCredentialsAndCA {
		c.CA = ownCAKey
	}
	return c
}

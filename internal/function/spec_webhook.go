package function

import "path/filepath"

// The ways in which providers sign.
const (
	SchemeStandard = "standard" // Standard Webhooks
	SchemeGitHub   = "github"
	SchemeStripe   = "stripe"
	SchemeSlack    = "slack" // the Events API
)

// Webhook says who signs the requests of an HTTP trigger, and with what.
//
// +kubebuilder:object:generate=true
type Webhook struct {
	// How the provider signs: standard (Standard Webhooks), github, stripe or slack (the Events API).
	// +kubebuilder:validation:Enum=standard;github;stripe;slack
	Scheme string `json:"scheme"`
	// The secrets that it may have signed with: more than one while a secret is changed.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	SecretFrom []SecretSource `json:"secretFrom"`
}

// SecretSource is where a secret comes from.
type SecretSource struct {
	// A key of a secret. One machine: the file .pelton-secrets/NAME/KEY beside the manifest.
	SecretKeyRef KeyRef `json:"secretKeyRef"`
}

// secretsDir is the folder beside a manifest that stands for the secrets of a cluster: a folder for each, a file for each key. So
// `kubectl create secret generic NAME --from-file=.pelton-secrets/NAME` makes the same of it there.
const secretsDir = ".pelton-secrets"

// SecretFile is the file of one machine that stands for a key of a secret. dir is the manifest's folder.
func (r *KeyRef) SecretFile(dir string) string { return filepath.Join(dir, secretsDir, r.Name, r.Key) }

package access

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"
)

// Policy is what the file of rules says. deploy/docs/http-access.md explains it.
type Policy struct {
	Issuers []Issuer `yaml:"issuers"`
	Rules   []Rule   `yaml:"rules"`  // none: every caller may do everything
	Limits  []Limit  `yaml:"limits"` // the first that is for a caller counts
}

// Issuer signs tokens (OpenID Connect).
type Issuer struct {
	Name        string `yaml:"name"`        // its callers are NAME:SUBJECT
	URL         string `yaml:"issuer"`      // as in the claim iss
	Audience    string `yaml:"audience"`    // that the claim aud must hold
	CA          string `yaml:"ca"`          // path of a PEM file; "" is whom the system trusts
	NameClaim   string `yaml:"nameClaim"`   // what callers are called by; default sub
	GroupsClaim string `yaml:"groupsClaim"` // the groups of a caller; "" is none
}

// Rule allows requests to callers. Callers may end in * for all that begin so. A path is the one, or ends in /* for it and all
// below. Subjects may have the wildcards of NATS.
type Rule struct {
	Callers  []string `yaml:"callers"`
	Groups   []string `yaml:"groups"`
	Paths    []string `yaml:"paths"`
	Methods  []string `yaml:"methods"` // none: all
	Subjects []string `yaml:"subjects"`
}

// Limit bounds the requests of each caller that it is for.
type Limit struct {
	Callers []string `yaml:"callers"`
	Rate    float64  `yaml:"rate"`  // requests a second; 0 is no bound
	Burst   int      `yaml:"burst"` // at once; default: those of a second, 1 at least
	Quota   Quota    `yaml:"quota"`
}

// Quota bounds the requests of a time, which begins anew at multiples of its length since midnight UTC of 1 January 1970.
type Quota struct {
	Requests int64    `yaml:"requests"` // 0 is no bound
	Per      Duration `yaml:"per"`
}

// Duration is a time.Duration that is written like 24h.
type Duration time.Duration

// UnmarshalYAML reads it.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	v, err := time.ParseDuration(node.Value)
	if err != nil || v <= 0 {
		return fmt.Errorf("line %d: %q is not a duration above zero, write for example 24h", node.Line, node.Value)
	}
	*d = Duration(v)
	return nil
}

// policy is a Policy at work.
type policy struct {
	issuers []*issuer
	rules   []Rule
	limits  []Limit
}

// parsePolicy reads a file. Issuers that are the same as before keep their keys.
func parsePolicy(text []byte, before *policy) (*policy, error) {
	var p Policy
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := checkNulls(text); err != nil {
		return nil, err
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one document: write everything into one")
	}
	if err := p.validate(); err != nil {
		return nil, err
	}
	out := &policy{rules: p.Rules, limits: p.Limits}
	for _, cfg := range p.Issuers {
		out.issuers = append(out.issuers, before.issuer(cfg))
	}
	return out, nil
}

// checkNulls refuses a word with nothing behind it: a file that is cut says less than was meant, and less is more that is allowed.
func checkNulls(text []byte) error {
	var words map[string]yaml.Node
	if err := yaml.Unmarshal(text, &words); err != nil {
		return err
	}
	for _, word := range []string{"issuers", "rules", "limits"} {
		if node, ok := words[word]; ok && node.Tag == "!!null" {
			return fmt.Errorf("%s: nothing follows: say what they are, or leave the word out", word)
		}
	}
	return nil
}

// issuer returns that of the policy which is configured so, or a new one.
func (p *policy) issuer(cfg Issuer) *issuer {
	for _, i := range p.issuers {
		if i.Issuer == cfg {
			return i
		}
	}
	return newIssuer(cfg)
}

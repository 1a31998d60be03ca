package access

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/pelton-dev/pelton/internal/function"
)

// checker gathers what is wrong with a policy.
type checker struct{ errs []error }

func (c *checker) failf(format string, args ...any) {
	if len(c.errs) < maxProblems {
		c.errs = append(c.errs, fmt.Errorf(format, args...))
	}
}

// validate names everything that is wrong.
func (p *Policy) validate() error {
	c := &checker{}
	if len(p.Issuers)+len(p.Rules)+len(p.Limits) == 0 && p.Rules == nil {
		c.failf("it says nothing: want issuers, rules or limits")
	}
	if p.Rules != nil && len(p.Rules) == 0 {
		c.failf("rules: there is none, so nobody could do anything: leave rules out to let every caller do everything")
	}
	for i := range p.Issuers {
		c.issuer(fmt.Sprintf("issuers[%d]", i), &p.Issuers[i], p.Issuers[:i])
	}
	for i, r := range p.Rules {
		c.rule(fmt.Sprintf("rules[%d]", i), r)
	}
	for i, l := range p.Limits {
		c.limit(fmt.Sprintf("limits[%d]", i), l)
	}
	return errors.Join(c.errs...)
}

func (c *checker) issuer(at string, i *Issuer, before []Issuer) {
	if !callerName.MatchString(i.Name) {
		c.failf("%s.name: %q is not %s", at, i.Name, callerRule)
	}
	if err := checkURL(i.URL); err != nil {
		c.failf("%s.issuer: %w", at, err)
	}
	if i.Audience == "" {
		c.failf("%s.audience: is missing: without one, tokens for any other program would be taken", at)
	}
	if i.CA != "" {
		if _, err := os.Stat(i.CA); err != nil {
			c.failf("%s.ca: %w", at, err)
		}
	}
	for _, other := range before {
		if other.Name == i.Name || other.URL == i.URL {
			c.failf("%s: it has the name or the address of another", at)
		}
	}
}

// checkURL wants TLS, except on this machine: whoever can change the keys on their way can be everybody.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return fmt.Errorf("%q is not an address, write for example https://login.example.com", text)
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%q: want https:// (http:// on this machine only)", text)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

func (c *checker) rule(at string, r Rule) {
	if len(r.Callers)+len(r.Groups) == 0 {
		c.failf("%s: it is for nobody: want callers or groups", at)
	}
	if len(r.Paths)+len(r.Subjects) == 0 {
		c.failf("%s: it allows nothing: want paths or subjects", at)
	}
	c.callers(at+".callers", r.Callers)
	c.callers(at+".groups", r.Groups)
	for i, p := range r.Paths {
		if err := checkPath(p); err != nil {
			c.failf("%s.paths[%d]: %w", at, i, err)
		}
	}
	for i, m := range r.Methods {
		if !slices.Contains(methods, m) {
			c.failf("%s.methods[%d]: %q is none of %s", at, i, m, strings.Join(methods, ", "))
		}
	}
	for i, s := range r.Subjects {
		if err := function.ValidSubject(s); err != nil {
			c.failf("%s.subjects[%d]: %q: %w", at, i, s, err)
		} else if !function.SubjectsOverlap(s, "events.>") {
			c.failf("%s.subjects[%d]: %q: over HTTP events are sent to subjects that begin with events.", at, i, s)
		}
	}
}

func (c *checker) callers(at string, names []string) {
	for i, name := range names {
		if n := strings.Index(name, "*"); name == "" || n >= 0 && n != len(name)-1 {
			c.failf("%s[%d]: %q: want a name, or the beginning of names with one * at the end", at, i, name)
		}
	}
}

func checkPath(p string) error {
	base, _ := strings.CutSuffix(p, "/*")
	switch {
	case !strings.HasPrefix(p, "/"), strings.Contains(base, "*"):
		return fmt.Errorf("%q: want a path that begins with /, and may end in /* for itself and all below it", p)
	case !plain(base):
		return fmt.Errorf("%q: has an escape, an empty segment or one of dots, which no rule could be for", p)
	case base == "/events" || strings.HasPrefix(base, "/events/"):
		return fmt.Errorf("%q: who may send events there is said by subjects, for example [events.orders.>]", p)
	}
	return nil
}

func (c *checker) limit(at string, l Limit) {
	if len(l.Callers) == 0 {
		c.failf(`%s.callers: is missing: want names, or ["*"] for all`, at)
	}
	c.callers(at+".callers", l.Callers)
	if l.Rate < 0 || math.IsNaN(l.Rate) || math.IsInf(l.Rate, 0) || l.Burst < 0 || l.Quota.Requests < 0 {
		c.failf("%s: a number is below zero or none", at)
	}
	if l.Rate == 0 && l.Quota.Requests == 0 {
		c.failf("%s: it bounds nothing: want rate or quota", at)
	}
	if l.Burst > 0 && l.Rate == 0 {
		c.failf("%s.burst: is set, and rate is not", at)
	}
	if (l.Quota.Requests == 0) != (l.Quota.Per == 0) {
		c.failf("%s.quota: want requests and per, for example {requests: 10000, per: 24h}", at)
	}
}

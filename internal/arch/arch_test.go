package arch

import (
	"slices"
	"strings"
	"testing"
)

type layer struct {
	name, why string
	packages  []string
}

type rule struct {
	of  string
	not []string
	why string
}

// TestImportsPointDown checks every import between our packages against the layers.
func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	g := load(t)
	for _, name := range g.own() {
		level, family := place(name)
		if level < 0 {
			t.Errorf("%s is in no layer: place it in rules_test.go, as low as it can be", short(name))
			continue
		}
		for _, imported := range g[name] {
			below, theirs := place(imported)
			if below < level || theirs == family {
				continue
			}
			t.Errorf("%s (%s) imports %s (%s): imports point down; %s",
				short(name), layers[level].name, short(imported), layers[below].name, layers[level].why)
		}
	}
}

// TestRules checks what each package links, and prints why.
func TestRules(t *testing.T) {
	t.Parallel()
	g := load(t)
	for _, r := range rules {
		t.Run(r.of, func(t *testing.T) {
			t.Parallel()
			t.Logf("%s must not link %s: %s", r.of, strings.Join(r.not, ", "), r.why)
			for _, from := range g.own() {
				if !matches(r.of, from) {
					continue
				}
				for _, not := range r.not {
					if chain := g.chain(from, not); chain != nil {
						t.Errorf("%s: it must not, because %s", strings.Join(chain, "\n  imports "), r.why)
					}
				}
			}
		})
	}
}

// TestRulesNameWhatThereIs fails on a typing error, and on a rule that outlived its package: both would check nothing.
func TestRulesNameWhatThereIs(t *testing.T) {
	t.Parallel()
	g := load(t)
	var named []string
	for _, l := range layers {
		named = append(named, l.packages...)
	}
	for _, r := range rules {
		named = append(append(named, r.of), r.not...)
	}
	slices.Sort(named)
	for _, path := range slices.Compact(named) {
		_, isPlanned := planned[path]
		switch exists := g.has(path); {
		case !exists && !isPlanned:
			t.Errorf("there is no %s: correct the rule, or list it as planned", path)
		case exists && isPlanned:
			t.Errorf("%s exists now: take it off the planned list", path)
		}
	}
	for path := range planned {
		if !slices.Contains(named, path) {
			t.Errorf("%s is planned and no rule names it", path)
		}
	}
}

// place returns the layer of one of our packages and the family it belongs to there, or -1.
func place(name string) (level int, family string) {
	for i, l := range layers {
		for _, p := range l.packages {
			if matches(p, name) {
				return i, p
			}
		}
	}
	return -1, ""
}

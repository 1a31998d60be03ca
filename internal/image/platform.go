package image

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// variants are the processors that images are made for, each with its kinds. The first kind is meant where none is named.
var variants = map[string][]string{
	"386": nil, "amd64": {"v1", "v2", "v3", "v4"}, "arm": {"v7", "v6", "v5"}, "arm64": {"v8"},
	"loong64": nil, "ppc64le": nil, "riscv64": nil, "s390x": nil,
}

// Here is the platform of this machine's processor. Images hold programs for Linux wherever they are made.
func Here() v1.Platform { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }

// ParsePlatforms reads platforms such as linux/amd64 and linux/arm/v7.
func ParsePlatforms(texts []string) ([]v1.Platform, error) {
	var platforms []v1.Platform
	for _, text := range texts {
		p, err := parsePlatform(text)
		if err != nil {
			return nil, fmt.Errorf("platform %q: %w", text, err)
		}
		if slices.ContainsFunc(platforms, func(other v1.Platform) bool { return suits(other, p) && suits(p, other) }) {
			return nil, fmt.Errorf("platform %q: it is there twice", text)
		}
		platforms = append(platforms, p)
	}
	return platforms, nil
}

func parsePlatform(text string) (v1.Platform, error) {
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return v1.Platform{}, errors.New("want a platform such as linux/amd64 or linux/arm/v7")
	}
	p := v1.Platform{OS: parts[0], Architecture: parts[1]}
	if p.OS != "linux" {
		return p, fmt.Errorf("images are for linux: want linux/%s", p.Architecture)
	}
	kinds, known := variants[p.Architecture]
	if !known {
		return p, fmt.Errorf("want one of linux/%s", strings.Join(slices.Sorted(maps.Keys(variants)), ", linux/"))
	}
	if len(parts) == 3 {
		if p.Variant = parts[2]; !slices.Contains(kinds, p.Variant) {
			return p, fmt.Errorf("%s has no kind %q, want one of %q", p.Architecture, p.Variant, kinds)
		}
	}
	return p, nil
}

// suits reports whether what is made for one platform is what another asks for. No kind is the usual kind.
func suits(have, want v1.Platform) bool {
	return have.OS == want.OS && have.Architecture == want.Architecture && kind(have) == kind(want)
}

func kind(p v1.Platform) string {
	usual := ""
	if kinds := variants[p.Architecture]; len(kinds) > 0 {
		usual = kinds[0]
	}
	return cmp.Or(p.Variant, usual)
}

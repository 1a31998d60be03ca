package cli

import (
	"fmt"

	"github.com/pelton-dev/pelton/internal/bundle"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/image"
)

// built is the result of build under -o json.
type built struct {
	Function  string      `json:"function"`
	Image     string      `json:"image"`
	Digest    string      `json:"digest"`
	Reference string      `json:"reference"` // image with digest: what a cluster that pulls it may be given
	Platforms []builtPart `json:"platforms"`
	Written   []string    `json:"written"`
	Pushed    bool        `json:"pushed"`
	Updated   string      `json:"updated,omitempty"` // the manifest
}

type builtPart struct {
	Platform string `json:"platform"`
	Digest   string `json:"digest"`
	Size     int64  `json:"size"` // bytes in a registry, the base included
}

// finishBuild says what has been made, and writes it into the manifest if that is wanted.
func (a *app) finishBuild(fn *function.Function, release *image.Release, result built, update bool) error {
	digest, err := release.Digest()
	if err != nil {
		return fmt.Errorf("read digest: %w", err)
	}
	parts, err := release.Parts()
	if err != nil {
		return err
	}
	result.Digest, result.Reference = digest.String(), release.Name()+"@"+digest.String()
	for _, p := range parts {
		result.Platforms = append(result.Platforms, builtPart{p.Platform.String(), p.Digest.String(), p.Size})
		a.say("%s: %.1f MiB", p.Platform, float64(p.Size)/(1<<20))
	}
	if update {
		if err := bundle.UpdateManifest(fn, result.Reference); err != nil {
			return &Error{
				Exit: ExitFailed, Message: "the image is pushed, and the manifest is as it was", Cause: err,
				Hint: "write image: " + result.Reference + " below handler in " + fn.Origin.File,
			}
		}
		result.Updated = fn.Origin.File
		a.say("%s names it", fn.Origin.File)
	}
	if a.json() {
		return a.writeJSON(result)
	}
	if _, err := fmt.Fprintln(a.stdout, result.Reference); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

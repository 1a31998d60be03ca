package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// imagesCommand is a call of the program that makes our images, over one line or more.
var imagesCommand = regexp.MustCompile(`(?m)^go run \./internal/bundle/cmd/images((?:.*\\\n)*.*)$`)

// TestPagesMakeWhatManifestsName: whoever follows the page has every image that the manifests beside it name without a registry.
func TestPagesMakeWhatManifestsName(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	found := imagesCommand.FindSubmatch(page)
	if found == nil {
		t.Fatal("the page does not make any image")
	}
	made := map[string]bool{}
	for _, word := range strings.Fields(string(found[1])) {
		if strings.Contains(word, "/") {
			if _, err := os.Stat(filepath.Join("..", word, "main.go")); err != nil {
				t.Errorf("the page makes an image of %s: %v", word, err)
			}
			made[filepath.Base(word)+":dev"] = true
		}
	}
	wanted := regexp.MustCompile(`(?m)image: ([a-z-]+:dev)`)
	var names []string
	for _, file := range []string{"scaler/scaler.yaml", "example/hello.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range wanted.FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
	}
	if len(names) < 3 {
		t.Errorf("the manifests name %v", names)
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if !made[name] {
			t.Errorf("a manifest names %s, which the page does not make: %v", name, made)
		}
	}
}

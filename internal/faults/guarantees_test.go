package faults

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var plantedInPage = regexp.MustCompile(`-planted ([a-z0-9-]+)`)

// bugOfDisks is planted by internal/faults/disk, as only a power cut shows it.
const bugOfDisks = "sync-off"

// TestGuaranteesTellOfEveryBug holds the page and what can be planted together.
func TestGuaranteesTellOfEveryBug(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../deploy/docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	for _, m := range plantedInPage.FindAllStringSubmatch(page, -1) {
		if _, err := FindBug(m[1]); err != nil && m[1] != bugOfDisks {
			t.Errorf("the page plants %s: %v", m[1], err)
		}
	}
	for _, b := range Bugs() {
		if !strings.Contains(page, "\n| `"+b.Name+"`") {
			t.Errorf("the page does not tell of %s", b.Name)
		}
	}
}

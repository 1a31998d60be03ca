package function

import (
	"fmt"
	"regexp"
	"strings"
)

// maxAnnotations bounds the annotations of a function, names included. It is Kubernetes's bound.
const maxAnnotations = 256 << 10

// checkLabels has labels and annotations keep the rules of Kubernetes, so that the manifest can be applied there.
func (c *checker) checkLabels(m Metadata) {
	for _, name := range sortedKeys(m.Labels) {
		c.checkLabelName("metadata.labels", name, name)
		if value := m.Labels[name]; value != "" && !isLabelText(value) {
			c.add(joinUnknown("metadata.labels", name), quote(value)+" is not a label",
				"write at most 63 letters, digits, -, _ and ., with a letter or digit at both ends")
		}
	}
	total := 0
	for _, name := range sortedKeys(m.Annotations) {
		c.checkLabelName("metadata.annotations", name, strings.ToLower(name)) // Kubernetes reads their domains so
		total += len(name) + len(m.Annotations[name])
	}
	if total > maxAnnotations {
		message := fmt.Sprintf("the annotations have %d bytes together, more than %d", total, maxAnnotations)
		c.add("metadata.annotations", message, "keep data out of manifests")
	}
}

// checkLabelName checks a name such as team or example.com/team.
func (c *checker) checkLabelName(path, written, name string) {
	domain, rest, hasDomain := strings.Cut(name, "/")
	if !hasDomain {
		domain, rest = "example.com", name
	}
	if !isLabelText(rest) || !isDomain(domain) {
		c.add(joinUnknown(path, written), quote(written)+" is not a name for it",
			"write at most 63 letters, digits, -, _ and ., such as team or example.com/team")
	}
}

func isLabelText(s string) bool {
	return len(s) <= 63 && regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`).MatchString(s)
}

func isDomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return len(s) <= 253
}

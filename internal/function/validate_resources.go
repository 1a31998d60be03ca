package function

import (
	"fmt"
	"regexp"
)

// Bounds of the resources.
const (
	maxAmounts = 100
	maxAmount  = 64
)

// checkResources checks amounts the way Kubernetes reads them, as far as it can be done without its code.
func (c *checker) checkResources(r *Resources) {
	if r == nil {
		return
	}
	amount := regexp.MustCompile(`^([0-9]+(\.[0-9]+)?|\.[0-9]+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$`)
	check := func(path string, amounts map[string]Amount) {
		if len(amounts) > maxAmounts {
			c.add(path, fmt.Sprintf("%d amounts are more than %d", len(amounts), maxAmounts), "write those that the handler needs")
			return
		}
		for _, name := range sortedKeys(amounts) {
			if text := string(amounts[name]); len(text) > maxAmount || !amount.MatchString(text) {
				c.add(path+"."+name, quote(text)+" is not an amount", `write one such as "100m" or "64Mi"`)
			}
		}
	}
	check("spec.resources.requests", r.Requests)
	check("spec.resources.limits", r.Limits)
}

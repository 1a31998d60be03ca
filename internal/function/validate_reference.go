package function

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxMounts and maxMountPath bound the mounts of a function.
const (
	maxMounts    = 32
	maxMountPath = 255
)

// checkValueFrom checks where the value of a variable comes from.
func (c *checker) checkValueFrom(path string, v EnvVar) {
	const hint = "write secretKeyRef: {name: shop-db, key: password} or configMapKeyRef: {name: shop, key: currency}"
	if v.ValueFrom == nil {
		return
	}
	if v.Value != "" {
		c.add(path, "value and valueFrom are both set", "keep one of them")
	}
	secret, configMap := v.ValueFrom.SecretKeyRef, v.ValueFrom.ConfigMapKeyRef
	switch {
	case secret == nil && configMap == nil:
		c.add(path+".valueFrom", "it is neither secretKeyRef nor configMapKeyRef", hint)
	case secret != nil && configMap != nil:
		c.add(path+".valueFrom", "it is secretKeyRef and configMapKeyRef at once", "keep one of them")
	case secret != nil:
		c.checkKeyRef(path+".valueFrom.secretKeyRef", secret)
	default:
		c.checkKeyRef(path+".valueFrom.configMapKeyRef", configMap)
	}
}

func (c *checker) checkKeyRef(path string, r *KeyRef) {
	c.checkObjectName(path+".name", r.Name)
	if !isObjectKey(r.Key) {
		c.add(path+".key", missingOr(r.Key, "is not a key"), "write at most 253 letters, digits, -, _ and ., such as password")
	}
}

func (c *checker) checkObjectName(path, name string) {
	if !isDomain(name) {
		c.add(path, missingOr(name, "is not a name of an object"), "write at most 253 of a-z, 0-9, - and ., such as shop-db")
	}
}

func isObjectKey(s string) bool {
	return len(s) <= 253 && s != "." && !strings.HasPrefix(s, "..") && regexp.MustCompile(`^[A-Za-z0-9._-]+$`).MatchString(s)
}

func (c *checker) checkMounts(mounts []Mount) {
	const path = "spec.handler.mounts"
	if len(mounts) > maxMounts {
		c.add(path, fmt.Sprintf("%d mounts are more than %d", len(mounts), maxMounts), "put more keys into one secret or config map")
		return
	}
	for i, m := range mounts {
		at := fmt.Sprintf("%s[%d]", path, i)
		if message := checkMountPath(m.Path); message != "" {
			c.add(at+".path", message, "write a directory of its own, such as /etc/shop")
		} else if j := slices.IndexFunc(mounts[:i], func(other Mount) bool { return other.Path == m.Path }); j >= 0 {
			c.add(at+".path", fmt.Sprintf("%s is already the path of mounts[%d]", m.Path, j), "choose another path")
		}
		c.checkMounted(at, m)
	}
}

func (c *checker) checkMounted(path string, m Mount) {
	secret := m.Secret != "" || c.written(path+".secret")
	configMap := m.ConfigMap != "" || c.written(path+".configMap")
	switch {
	case secret && configMap:
		c.add(path, "secret and configMap are both set", "make each a list item of its own")
	case secret:
		c.checkObjectName(path+".secret", m.Secret)
	case configMap:
		c.checkObjectName(path+".configMap", m.ConfigMap)
	default:
		c.add(path, "it is neither of a secret nor of a configMap", "write secret: shop-tls or configMap: shop")
	}
}

// checkMountPath returns what is wrong with the path of a mount.
func checkMountPath(path string) string {
	ours := regexp.MustCompile(`^/(etc|run)$|^/(proc|sys|dev|tmp|run/pelton|etc/pelton|etc/pelton-nats)(/|$)`)
	switch {
	case path == "":
		return "it is missing"
	case len(path) > maxMountPath:
		return fmt.Sprintf("it has %d bytes, more than %d", len(path), maxMountPath)
	case !regexp.MustCompile(`^(/[A-Za-z0-9._+@-]+)+$`).MatchString(path) || regexp.MustCompile(`/\.\.?(/|$)`).MatchString(path):
		return quote(path) + " is not the full path of a directory"
	case ours.MatchString(path):
		return quote(path) + " belongs to the system or to Pelton"
	}
	return ""
}

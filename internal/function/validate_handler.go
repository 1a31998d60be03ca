package function

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

func (c *checker) checkHandler(h *Handler) {
	if len(h.Command) == 0 && h.Image == "" {
		c.add("spec.handler", "it has neither command nor image", "write command: [python3, handler.py]")
	}
	c.checkProtocol(h)
	c.checkCommand("spec.handler.command", h.Command)
	c.checkCommand("spec.handler.build", h.Build)
	if c.written("spec.handler.image") || h.Image != "" {
		c.checkImage(h.Image)
	}
	c.checkEnv(h)
	c.checkMounts(h.Mounts)
}

func (c *checker) checkProtocol(h *Handler) {
	const path = "spec.handler.protocol"
	switch h.Protocol {
	case ProtocolCloudEvents, ProtocolHTTP, ProtocolExec, ProtocolStream:
		c.checkListen(h)
	case "lambda", "openwhisk":
		c.add(path, string(h.Protocol)+" is planned and not in this version", "write cloudevents, http, exec or stream")
	default:
		c.add(path, missingOr(string(h.Protocol), "is not a protocol"), "write cloudevents, http, exec or stream")
	}
}

func (c *checker) checkListen(h *Handler) {
	const listen, port = "spec.handler.listen", "spec.handler.port"
	hasPort := h.Port != 0 || c.written(port)
	switch {
	case !h.Protocol.overHTTP() && (h.Listen != "" || c.written(listen)):
		c.add(listen, "protocol "+string(h.Protocol)+" does not listen", "delete it, or use protocol cloudevents or http")
	case h.Protocol.overHTTP() && h.Listen != ListenTCP && h.Listen != ListenUnix:
		c.add(listen, missingOr(h.Listen, "is not a way to listen"), "write tcp or unix")
	}
	switch {
	case hasPort && (!h.Protocol.overHTTP() || h.Listen == ListenUnix):
		c.add(port, "the handler does not listen on a port", "delete it")
	case hasPort:
		c.number(port, h.Port, 1, 65535)
	}
}

func (c *checker) checkCommand(path string, command []string) {
	if len(command) > maxArguments {
		c.add(path, fmt.Sprintf("%d arguments are more than %d", len(command), maxArguments), "put them in a file")
		return
	}
	for i, arg := range command {
		at := fmt.Sprintf("%s[%d]", path, i)
		if i == 0 && strings.TrimSpace(arg) == "" {
			c.add(at, "the program's name is empty", "write a program, such as python3")
		}
		c.checkProcessText(at, arg)
	}
}

// Bounds of what a process is given. Linux takes more of it; the rules of the resource definition, which are these, may not
// look at more than an apiserver has time for.
const (
	maxArguments   = 256
	maxProcessText = 32 << 10
)

// checkProcessText refuses what cannot be handed to a process.
func (c *checker) checkProcessText(path, text string) {
	if strings.Contains(text, "\x00") {
		c.add(path, "it has a NUL byte, which no process can be given", "delete it")
	}
	if len(text) > maxProcessText {
		message := fmt.Sprintf("it has %d bytes, more than the %d a process is given", len(text), maxProcessText)
		c.add(path, message, "put it in a file")
	}
}

func (c *checker) checkImage(image string) {
	if image == "" || strings.ContainsFunc(image, func(r rune) bool { return r <= ' ' || r > '~' }) {
		c.add("spec.handler.image", missingOr(image, "is not an image name"), "write one such as example.com/thumbnail:1.4")
	}
}

// Bounds of the environment.
const (
	maxEnv      = 500
	maxEnvName  = 1024
	maxEnvBytes = 512 << 10
)

func (c *checker) checkEnv(h *Handler) {
	const path = "spec.handler.env"
	if len(h.Env) > maxEnv {
		c.add(path, fmt.Sprintf("%d variables are more than %d", len(h.Env), maxEnv), "put them in a file")
	}
	total, first := 0, map[string]int{}
	for i, v := range h.Env {
		at := fmt.Sprintf("%s[%d]", path, i)
		c.checkEnvName(at+".name", v.Name, h.Protocol)
		c.checkProcessText(at+".value", v.Value)
		c.checkValueFrom(at, v)
		if earlier, ok := first[v.Name]; ok && v.Name != "" {
			c.add(at+".name", fmt.Sprintf("%s is already set by env[%d]", quote(v.Name), earlier), "keep one of them")
		} else {
			first[v.Name] = i
		}
		total += len(v.Name) + len(v.Value) + 2
	}
	if total > maxEnvBytes {
		message := fmt.Sprintf("the variables have %d bytes together, more than %d", total, maxEnvBytes)
		c.add(path, message, "put large values in a file")
	}
}

func (c *checker) checkEnvName(path, name string, p Protocol) {
	switch {
	case !isEnvName(name):
		c.add(path, missingOr(name, "is not a variable name"), "write letters, digits and _, such as BUCKET")
	case len(name) > maxEnvName:
		c.add(path, fmt.Sprintf("it has %d characters, more than %d", len(name), maxEnvName), "choose a shorter name")
	case name == "PORT", strings.HasPrefix(name, "PELTON_"):
		c.add(path, name+" is set by Pelton", "choose another name")
	case strings.HasPrefix(name, "CE_") && p == ProtocolExec:
		c.add(path, name+" would hide an attribute of the event", "choose a name that does not begin with CE_")
	}
}

func isEnvName(s string) bool {
	for i := range len(s) {
		letter := s[i] == '_' || s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z'
		if !letter && (i == 0 || s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != ""
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

package desired

import (
	"github.com/pelton-dev/pelton/internal/function"
)

// check returns what is wrong with a valid function only because it shall run on Kubernetes, all at once, and reads its
// resources.
func (b *blueprint) check() (problems []function.Problem) {
	add := func(path, message, hint string) {
		problems = append(problems, function.Problem{Path: path, Message: message, Hint: hint})
	}
	h := b.fn.Spec.Handler
	if h.Image == "" {
		add("spec.handler.image", "it is missing, and on Kubernetes a handler is a container",
			"write the image that holds the handler, such as example.com/thumbnail:1.4")
	}
	switch {
	case h.Protocol == function.ProtocolExec && len(h.Command) == 0:
		add("spec.handler.command", "it is missing, and protocol exec starts it for each event",
			"write the program in the image, such as [python3, handler.py]")
	case h.Protocol != function.ProtocolExec && !b.usesSocket() && h.Port == 0:
		add("spec.handler.port", "it is missing, and on Kubernetes the sidecar must know where the handler listens",
			"write a port such as 8080 (the handler finds it in $PORT), or listen: unix")
	}
	var more []function.Problem
	b.resources, more = readResources(b.fn.Spec.Resources)
	return append(append(problems, more...), b.heldProblem()...)
}

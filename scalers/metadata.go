package scalers

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pelton-dev/pelton/internal/demand"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/stream"
)

// The keys of a trigger's metadata that are ours.
const (
	keyFunction     = "function"
	keyStream       = "stream"
	keyConsumer     = "consumer"
	keyConcurrency  = "concurrency"
	keyDrainSeconds = "drainSeconds"
	keyBacklog      = "backlog"
)

var ourKeys = []string{keyFunction, keyStream, keyConsumer, keyConcurrency, keyDrainSeconds, keyBacklog}

// kedaKeys are those that KEDA reads itself and passes on as well.
var kedaKeys = []string{"scalerAddress", "enableTLS", "unsafeSsl", "caCert", "tlsClientCert", "tlsClientKey"}

// fromEnv is the end of a key whose value KEDA takes from the environment of the scale target. It sends the value found under
// the key as it was written, and nothing if there was none.
const fromEnv = "FromEnv"

// Bounds of what a trigger may ask for.
const (
	maxConcurrency  = 10_000
	maxBacklog      = 1_000_000
	maxDrainSeconds = 24 * 60 * 60
)

// question is what one trigger of a ScaledObject asks for.
type question struct {
	object   objectKey
	source   function.Key    // what is watched for it; the zero key if the question makes no sense
	function function.Key    // the zero key if it names a consumer
	consumer stream.Consumer // if it names no function
	policy   demand.Policy   // for a consumer; a function has its own
	backlog  int             // for a function: its goal, if the ScaledObject says it instead of the manifest; otherwise 0
}

// fixed is whether the target stays what it is as long as the ScaledObject does: KEDA needs no stream to follow it.
func (q *question) fixed() bool {
	return q.backlog > 0 || q.function == (function.Key{}) && q.policy.Drain == 0
}

// sourceKey names what is watched for it. The namespace of a function is never empty, so a consumer's key has none.
func (q *question) sourceKey() function.Key {
	if q.function != (function.Key{}) {
		return q.function
	}
	return function.Key{Name: q.consumer.Stream + "/" + q.consumer.Name}
}

// problems are what is wrong with a trigger's metadata. All are told at once.
type problems struct {
	texts  []string
	denied bool
}

func (p *problems) add(format string, args ...any) {
	p.texts = append(p.texts, short(fmt.Sprintf(format, args...)))
}

// Bounds of what is told and kept of what others wrote, who may write 64 KiB.
const (
	maxText     = 500
	maxProblems = 10
	maxName     = 253 // of a ScaledObject; its namespace is shorter
)

// short cuts a text that is too long to be read.
func short(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText/2], "") + " ... " + strings.ToValidUTF8(text[len(text)-maxText/2:], "")
}

func (p *problems) deny(format string, args ...any) {
	p.denied = true
	p.add(format, args...)
}

func (p *problems) err() error {
	if len(p.texts) == 0 {
		return nil
	}
	code := codes.InvalidArgument
	if p.denied {
		code = codes.PermissionDenied
	}
	if more := len(p.texts) - maxProblems; more > 0 {
		p.texts = append(p.texts[:maxProblems], fmt.Sprintf("and %d more", more))
	}
	return status.Error(code, "trigger metadata: "+strings.Join(p.texts, "; "))
}

// parse reads what a ScaledObject asks for. Its namespace comes from KEDA, which no user can write; metadata can.
func parse(ref *externalscaler.ScaledObjectRef) (question, error) {
	var p problems
	q := question{object: objectKey{ref.GetNamespace(), ref.GetName()}}
	if ref.GetNamespace() == "" || ref.GetName() == "" {
		return q, status.Error(codes.InvalidArgument, "the call names no ScaledObject: only KEDA can ask")
	}
	if len(ref.GetNamespace()) > maxName || len(ref.GetName()) > maxName {
		return question{}, status.Error(codes.InvalidArgument, "the call names a ScaledObject that cannot be: only KEDA can ask")
	}
	values := readKeys(ref.GetScalerMetadata(), q.object.Namespace, &p)
	name, isFunction := values[keyFunction]
	_, hasStream := values[keyStream]
	_, hasConsumer := values[keyConsumer]
	switch {
	case isFunction && (hasStream || hasConsumer):
		p.add("names a function and a consumer: write either function, or stream and consumer")
	case isFunction:
		q.readFunction(name, values, &p)
	case hasStream || hasConsumer:
		q.readConsumer(values, &p)
	case len(p.texts) == 0:
		p.add("names nothing to scale by: write function: NAME, or stream: NAME, consumer: NAME and concurrency: NUMBER")
	}
	err := p.err()
	if err == nil {
		q.source = q.sourceKey()
	}
	return q, err
}

// readKeys returns the values of our keys, whichever way they were written.
func readKeys(metadata map[string]string, namespace string, p *problems) map[string]string {
	values := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		value, name := strings.TrimSpace(metadata[key]), strings.TrimSuffix(key, fromEnv)
		switch {
		case slices.Contains(ourKeys, name):
			if _, twice := values[name]; twice {
				p.add("%s is given twice: write %s or %s%s", name, name, name, fromEnv)
			}
			if value == "" {
				p.add("%s is empty", key)
			}
			values[name] = value
		case slices.Contains(kedaKeys, name):
		case strings.EqualFold(name, "namespace"):
			denyNamespace(value, namespace, p)
		default:
			p.add("unknown key %q%s", key, suggestion(name))
		}
	}
	return values
}

func denyNamespace(value, namespace string, p *problems) {
	const text = "a ScaledObject is answered for its own namespace alone, here %s: remove the key namespace"
	if value != namespace {
		p.deny(text, namespace)
		return
	}
	p.add(text, namespace)
}

// suggestion says which key was probably meant.
func suggestion(key string) string {
	if near := function.Nearest(key, ourKeys); near != "" {
		return fmt.Sprintf(" (did you mean %s?)", near)
	}
	return " (known are " + strings.Join(ourKeys, ", ") + ")"
}

func (q *question) readFunction(name string, values map[string]string, p *problems) {
	for _, key := range []string{keyConcurrency, keyDrainSeconds} {
		if _, ok := values[key]; ok {
			p.add("%s belongs into the Function manifest of %s: remove it here", key, name)
		}
	}
	if namespace, rest, ok := strings.Cut(name, "/"); ok {
		if namespace != q.object.Namespace {
			p.deny("function %q is in namespace %s, and a ScaledObject in %s may only ask for functions of its own",
				name, namespace, q.object.Namespace)
			return
		}
		name = rest
	}
	if !function.ValidName(name) {
		p.add("function: %q is not the name of a function (lower case letters, digits and -, at most 50)", name)
	}
	backlog, _ := wholeNumber(keyBacklog, values, maxBacklog, p)
	q.backlog = backlog
	q.function = function.Key{Namespace: q.object.Namespace, Name: name}
}

func (q *question) readConsumer(values map[string]string, p *problems) {
	q.consumer = stream.Consumer{
		Stream: nameOf(keyStream, values, p), Name: nameOf(keyConsumer, values, p),
	}
	if owner, ours := stream.OwnerOf(q.consumer.Name); ours && owner.Namespace != q.object.Namespace {
		p.deny("consumer %s is a function's in namespace %s, and a ScaledObject in %s may not ask for it",
			q.consumer.Name, owner.Namespace, q.object.Namespace)
	}
	concurrency, hasConcurrency := wholeNumber(keyConcurrency, values, maxConcurrency, p)
	drain, hasDrain := number(keyDrainSeconds, values, 0.001, maxDrainSeconds, p)
	if _, ok := values[keyBacklog]; ok {
		p.add("backlog is a function's: write concurrency for a consumer")
	}
	if !hasConcurrency && !hasDrain {
		p.add("says not how much one replica does: write concurrency: NUMBER (messages it works on at once), " +
			"drainSeconds: NUMBER (the backlog shall be gone within), or both")
	}
	workers := max(1, concurrency)
	q.policy = demand.Policy{
		Concurrency: workers, Backlog: workers, Drain: time.Duration(drain * float64(time.Second)),
	}
}

// nameOf reads the name of a stream or consumer. It becomes part of a subject, so it must not be more than a name.
func nameOf(key string, values map[string]string, p *problems) string {
	value, ok := values[key]
	switch {
	case !ok:
		p.add("%s is missing: a consumer is named by stream and consumer", key)
	case value != "" && strings.ContainsAny(value, ".*>/\\ \t\r\n\x00") || len(value) > 255:
		p.add("%s: %q is not a name that NATS allows (no space . * > / \\, at most 255 bytes)", key, value)
	}
	return value
}

func wholeNumber(key string, values map[string]string, high float64, p *problems) (int, bool) {
	n, ok := number(key, values, 1, high, p)
	if n != float64(int(n)) {
		p.add("%s: %q is not a whole number", key, values[key])
	}
	return int(n), ok
}

func number(key string, values map[string]string, low, high float64, p *problems) (float64, bool) {
	text, ok := values[key]
	if !ok || text == "" {
		return 0, ok
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= low && n <= high) {
		p.add("%s: %q is not a number from %v to %.f", key, text, low, high)
		return low, true
	}
	return n, true
}

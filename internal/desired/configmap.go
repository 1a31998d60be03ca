package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/pelton-dev/pelton/internal/function"
)

// ConfigMapKind is the kind of what holds the manifest: one object for each text, also of earlier manifests.
var ConfigMapKind = corev1.SchemeGroupVersion.WithKind("ConfigMap")

// manifestFile is the name of the manifest, in the ConfigMap and in the pod.
const manifestFile = "function.yaml"

// manifest is what a pod is told of its function.
type manifest struct{ text, hash string }

// manifestOf leaves out what does not concern a running pod, so that nothing restarts when only that changes: labels and
// annotations, what the scaler and NATS are told (scale, the data of schedules), what the container has (resources), the end
// (onDelete), and what runs on one machine alone (build).
func manifestOf(fn *function.Function) (manifest, error) {
	pod := *fn
	pod.Metadata.Labels, pod.Metadata.Annotations = nil, nil
	fn.Spec.DeepCopyInto(&pod.Spec)
	pod.Spec.Scale, pod.Spec.Resources, pod.Spec.OnDelete, pod.Spec.Handler.Build = function.Scale{}, nil, "", nil
	for i := range pod.Spec.Triggers {
		if s := pod.Spec.Triggers[i].Schedule; s != nil {
			s.Data = nil
		}
	}
	text, err := writeYAML(&pod)
	if err != nil {
		return manifest{}, err
	}
	sum := sha256.Sum256(text)
	return manifest{string(text), hex.EncodeToString(sum[:])[:10]}, nil
}

func writeYAML(fn *function.Function) ([]byte, error) {
	text, err := json.Marshal(fn)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	if spec, ok := fields["spec"].(map[string]any); ok {
		delete(spec, "scale") // one of its fields is always written
	}
	return yaml.Marshal(fields)
}

// configMap holds the manifest. Each text is a ConfigMap of its own that never changes: under one name, a kubelet that is a
// little behind would give a new pod the old text, for good, and a roll-out that hangs would give old pods the new one. The
// earlier ones can go once no old pod is left.
func (b *blueprint) configMap() *corev1.ConfigMap {
	meta := b.meta()
	meta.Name = b.configMapName()
	return &corev1.ConfigMap{
		TypeMeta:   typeMeta(ConfigMapKind),
		ObjectMeta: meta,
		Immutable:  new(true),
		Data:       map[string]string{manifestFile: b.manifest.text},
	}
}

func (b *blueprint) configMapName() string { return b.name() + "-" + b.manifest.hash }

// ReadManifest reads what a ConfigMap of a function tells its pods, with defaults for what does not concern them.
func ReadManifest(configMap *unstructured.Unstructured) (*function.Function, error) {
	text, _, err := unstructured.NestedString(configMap.Object, "data", manifestFile)
	if err != nil {
		return nil, fmt.Errorf("read ConfigMap %s: %w", configMap.GetName(), err)
	}
	fields, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("read ConfigMap %s: %w", configMap.GetName(), err)
	}
	fn, problems := function.ParseJSON(fields)
	if len(problems) > 0 {
		return nil, fmt.Errorf("read ConfigMap %s: %w", configMap.GetName(), &function.Invalid{Problems: problems})
	}
	return fn, nil
}

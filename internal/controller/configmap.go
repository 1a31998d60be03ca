package controller

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/pelton-dev/pelton/internal/function"
)

var configMapKind = corev1.SchemeGroupVersion.WithKind("ConfigMap")

// manifestFile is the name of the manifest, in the ConfigMap and in the pod.
const manifestFile = "function.yaml"

// manifest is what a pod is told of its function.
type manifest struct{ text, hash string }

// manifestOf leaves out what does not concern a pod. So nothing restarts when only that changes: labels, annotations, what KEDA
// is told (scale), what the container has (resources), and what runs on one machine alone (build).
func manifestOf(fn *function.Function) (manifest, error) {
	pod := *fn
	pod.Metadata.Labels, pod.Metadata.Annotations = nil, nil
	pod.Spec.Scale, pod.Spec.Resources, pod.Spec.Handler.Build = function.Scale{}, nil, nil
	text, err := json.Marshal(&pod)
	if err != nil {
		return manifest{}, err
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return manifest{}, err
	}
	if spec, ok := fields["spec"].(map[string]any); ok {
		delete(spec, "scale") // it has a field that is always written
	}
	if text, err = yaml.Marshal(fields); err != nil {
		return manifest{}, err
	}
	sum := sha256.Sum256(text)
	return manifest{string(text), hex.EncodeToString(sum[:])[:10]}, nil
}

// configMap holds the manifest. Each text is a ConfigMap of its own that never changes: under one name, a kubelet that is a
// little behind would give a new pod the old text, for good, and a roll-out that hangs would give old pods the new one. The
// earlier ones can go once no old pod is left.
func (b *builder) configMap() *corev1.ConfigMap {
	meta := b.meta()
	meta.Name = b.configMapName()
	return &corev1.ConfigMap{
		TypeMeta:   typeMeta(configMapKind),
		ObjectMeta: meta,
		Immutable:  new(true),
		Data:       map[string]string{manifestFile: b.manifest.text},
	}
}

func (b *builder) configMapName() string { return b.name() + "-" + b.manifest.hash }

package function

// ValueSource is where the value of a variable comes from. Exactly one field is set.
//
// +kubebuilder:validation:ExactlyOneOf=secretKeyRef;configMapKeyRef
// +kubebuilder:object:generate=true
type ValueSource struct {
	// A key of a secret. One machine: the file .pelton-secrets/NAME/KEY beside the manifest.
	SecretKeyRef *KeyRef `json:"secretKeyRef,omitempty"`
	// A key of a config map. One machine: the file .pelton-configmaps/NAME/KEY beside the manifest.
	ConfigMapKeyRef *KeyRef `json:"configMapKeyRef,omitempty"`
}

// KeyRef names a key of a secret or config map in the function's namespace.
type KeyRef struct {
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`
	Name string `json:"name"`
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._-]+$`
	// +kubebuilder:validation:XValidation:rule="self != '.' && !self.startsWith('..')",message="it is not a key"
	Key string `json:"key"`
	// Whether the function runs without it too. Default: false.
	Optional bool `json:"optional,omitempty"`
}

// Mount is a directory of the handler with a file for each key of a secret or config map. One of the two is set.
//
// +kubebuilder:validation:ExactlyOneOf=secret;configMap
type Mount struct {
	// The directory.
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^(/[A-Za-z0-9._+@-]+)+$`
	// +kubebuilder:validation:XValidation:rule=`!self.matches(r'/[.][.]?(/|$)')`,message="it has the segment . or .."
	// +kubebuilder:validation:XValidation:rule=`!self.matches('^/(etc|run)$') && !self.matches('^/(proc|sys|dev|tmp|run/pelton|etc/pelton|etc/pelton-nats)(/|$)')`,message="it belongs to the system or to Pelton"
	Path string `json:"path"`
	// The name of a secret in the function's namespace.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`
	Secret string `json:"secret,omitempty"`
	// The name of a config map in the function's namespace.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`
	ConfigMap string `json:"configMap,omitempty"`
	// Whether the function runs without it too. Default: false.
	Optional bool `json:"optional,omitempty"`
}

// ConfigMaps lists the config maps that the handler is given something of, each once and in order. Pods that run have read them
// already: what changes later reaches new ones only.
func (h *Handler) ConfigMaps() []string {
	names := map[string]string{}
	for _, v := range h.Env {
		if v.ValueFrom != nil && v.ValueFrom.ConfigMapKeyRef != nil {
			names[v.ValueFrom.ConfigMapKeyRef.Name] = ""
		}
	}
	for _, m := range h.Mounts {
		if m.ConfigMap != "" {
			names[m.ConfigMap] = ""
		}
	}
	return sortedKeys(names)
}

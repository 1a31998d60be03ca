package function

// Callbacks says where the callers of an HTTP trigger may have results sent, and what signs them.
//
// +kubebuilder:object:generate=true
type Callbacks struct {
	// Addresses that a caller may name: https://HOST/PATH, or https://HOST/PATH/* for everything below. Never one on a private network.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:Pattern=`^https://[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[1-9][0-9]{0,4})?/([A-Za-z0-9._~-]+/)*([A-Za-z0-9._~-]+|[*])?$`
	// +kubebuilder:validation:items:XValidation:rule=`!self.matches('/[.][.]?(/|$)')`,message="it has the segment . or .."
	Allow []string `json:"allow"`
	// The secrets that sign, as Standard Webhooks has them: more than one while a secret is changed.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	SecretFrom []SecretSource `json:"secretFrom"`
}

package function

// Protocol is how the sidecar speaks to the handler.
//
// +kubebuilder:validation:Enum=cloudevents;http;exec;stream
type Protocol string

// The handler protocols of this version.
const (
	ProtocolCloudEvents Protocol = "cloudevents"
	ProtocolHTTP        Protocol = "http"
	ProtocolExec        Protocol = "exec"
	ProtocolStream      Protocol = "stream"
)

// Listen says where an HTTP handler listens.
const (
	ListenTCP  = "tcp"  // 127.0.0.1:$PORT
	ListenUnix = "unix" // the unix socket $PELTON_SOCKET
)

// Handler is the user's code and how to reach it.
//
// +kubebuilder:validation:XValidation:rule="has(self.image) || has(self.command) && size(self.command) > 0",message="it has neither command nor image"
// +kubebuilder:validation:XValidation:rule="!has(self.listen) || !has(self.protocol) || self.protocol in ['cloudevents', 'http']",message="only protocols cloudevents and http listen",fieldPath=".listen"
// +kubebuilder:validation:XValidation:rule="!has(self.port) || (!has(self.protocol) || self.protocol in ['cloudevents', 'http']) && (!has(self.listen) || self.listen == 'tcp')",message="the handler does not listen on a port",fieldPath=".port"
// +kubebuilder:validation:XValidation:rule="!has(self.env) || !has(self.protocol) || self.protocol != 'exec' || self.env.all(v, !v.name.startsWith('CE_'))",message="a variable CE_* would hide an attribute of the event",fieldPath=".env"
// +kubebuilder:object:generate=true
type Handler struct {
	// Default: cloudevents.
	Protocol Protocol `json:"protocol,omitempty"`
	// One machine: the process to start. Kubernetes: replaces the command of the image.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=32768
	// +kubebuilder:validation:items:Pattern=`^[^\x00]*$`
	// +kubebuilder:validation:items:XValidation:rule="bytes(self).size() <= 32768",message="it has more bytes than a process can be given"
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || size(self[0].trim()) > 0",message="the program's name is empty"
	Command []string `json:"command,omitempty"`
	// One machine: run once before the first start and after each change.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=32768
	// +kubebuilder:validation:items:Pattern=`^[^\x00]*$`
	// +kubebuilder:validation:items:XValidation:rule="bytes(self).size() <= 32768",message="it has more bytes than a process can be given"
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || size(self[0].trim()) > 0",message="the program's name is empty"
	Build []string `json:"build,omitempty"`
	// Kubernetes: the image of the container.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^[!-~]+$`
	Image string `json:"image,omitempty"`
	// Kubernetes: the port of the container. One machine: the handler listens on $PORT, a free port.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int `json:"port,omitempty"`
	// Protocols cloudevents and http: tcp ($PORT) or unix (the socket $PELTON_SOCKET). Default: tcp.
	// +kubebuilder:validation:Enum=tcp;unix
	Listen string `json:"listen,omitempty"`
	// Variables of the handler. PORT and PELTON_* are set by Pelton.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=500
	// +kubebuilder:validation:XValidation:rule="self.map(v, size(v.name) + (has(v.value) ? bytes(v.value).size() : 0) + 2).sum() <= 524288",message="the variables have more than 524288 bytes together"
	Env []EnvVar `json:"env,omitempty"`
	// Kubernetes: secrets and config maps as files. One machine mounts nothing: what is at the path there is used.
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MaxItems=32
	Mounts []Mount `json:"mounts,omitempty"`
}

// EnvVar is one variable of the handler's environment.
//
// +kubebuilder:validation:XValidation:rule="!has(self.valueFrom) || !has(self.value) || size(self.value) == 0",message="value and valueFrom are both set"
// +kubebuilder:object:generate=true
type EnvVar struct {
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	// +kubebuilder:validation:XValidation:rule="self != 'PORT' && !self.startsWith('PELTON_')",message="PORT and PELTON_* are set by Pelton"
	Name string `json:"name"`
	// +kubebuilder:validation:MaxLength=32768
	// +kubebuilder:validation:Pattern=`^[^\x00]*$`
	// +kubebuilder:validation:XValidation:rule="bytes(self).size() <= 32768",message="it has more bytes than a process can be given"
	// +optional
	Value string `json:"value"`
	// Where the value comes from instead.
	ValueFrom *ValueSource `json:"valueFrom,omitempty"`
}

package deploy

// The kinds below have the fields that our manifests use, and no others: a field that is not here is a typing error, or new.
type (
	object struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   meta
	}
	meta struct {
		Name, Namespace     string
		Labels, Annotations map[string]string
	}
	namespace struct {
		object `yaml:",inline"`
	}
	serviceAccount struct {
		object                       `yaml:",inline"`
		AutomountServiceAccountToken *bool `yaml:"automountServiceAccountToken"`
	}
	configMap struct {
		object `yaml:",inline"`
		Data   map[string]string
	}
	service struct {
		object `yaml:",inline"`
		Spec   struct {
			ClusterIP string `yaml:"clusterIP"`
			Selector  map[string]string
			Ports     []struct {
				Name       string
				Port       int
				TargetPort string `yaml:"targetPort"`
			}
		}
	}
	selector struct {
		MatchLabels map[string]string `yaml:"matchLabels"`
	}
	workload struct { // Deployment, StatefulSet
		object `yaml:",inline"`
		Spec   struct {
			Replicas        *int
			MinReadySeconds int    `yaml:"minReadySeconds"`
			ServiceName     string `yaml:"serviceName"`
			Strategy        struct {
				RollingUpdate struct {
					MaxUnavailable int `yaml:"maxUnavailable"`
					MaxSurge       int `yaml:"maxSurge"`
				} `yaml:"rollingUpdate"`
			}
			Selector selector
			Template struct {
				Metadata meta
				Spec     pod
			}
		}
	}
	disruptionBudget struct {
		object `yaml:",inline"`
		Spec   struct {
			MaxUnavailable             int    `yaml:"maxUnavailable"`
			UnhealthyPodEvictionPolicy string `yaml:"unhealthyPodEvictionPolicy"`
			Selector                   selector
		}
	}
	networkPolicy struct {
		object `yaml:",inline"`
		Spec   struct {
			PodSelector     selector `yaml:"podSelector"`
			PolicyTypes     []string `yaml:"policyTypes"`
			Ingress, Egress []struct {
				From []struct {
					NamespaceSelector selector `yaml:"namespaceSelector"`
					PodSelector       selector `yaml:"podSelector"`
				}
				Ports []struct {
					Port     int
					Protocol string
				}
			}
		}
	}
	authentication struct {
		object `yaml:",inline"`
		Spec   struct {
			SecretTargetRef []struct{ Parameter, Name, Key string } `yaml:"secretTargetRef"`
		}
	}
)

type (
	pod struct {
		ServiceAccountName            string          `yaml:"serviceAccountName"`
		AutomountServiceAccountToken  *bool           `yaml:"automountServiceAccountToken"`
		EnableServiceLinks            *bool           `yaml:"enableServiceLinks"`
		TerminationGracePeriodSeconds int             `yaml:"terminationGracePeriodSeconds"`
		SecurityContext               securityContext `yaml:"securityContext"`
		TopologySpreadConstraints     []struct {
			MaxSkew           int      `yaml:"maxSkew"`
			TopologyKey       string   `yaml:"topologyKey"`
			WhenUnsatisfiable string   `yaml:"whenUnsatisfiable"`
			LabelSelector     selector `yaml:"labelSelector"`
		} `yaml:"topologySpreadConstraints"`
		Containers []container
		Volumes    []struct {
			Name   string
			Secret struct {
				SecretName  string `yaml:"secretName"`
				Optional    bool
				DefaultMode int `yaml:"defaultMode"`
			}
			ConfigMap struct{ Name string } `yaml:"configMap"`
			EmptyDir  struct {
				SizeLimit string `yaml:"sizeLimit"`
			} `yaml:"emptyDir"`
		}
	}
	container struct {
		Name, Image     string
		ImagePullPolicy string `yaml:"imagePullPolicy"`
		Args            []string
		Env             []struct{ Name, Value string }
		EnvFrom         []struct {
			ConfigMapRef struct{ Name string } `yaml:"configMapRef"`
		} `yaml:"envFrom"`
		Ports []struct {
			Name          string
			ContainerPort int `yaml:"containerPort"`
		}
		ReadinessProbe  probe `yaml:"readinessProbe"`
		LivenessProbe   probe `yaml:"livenessProbe"`
		Resources       struct{ Requests, Limits map[string]string }
		SecurityContext securityContext `yaml:"securityContext"`
		VolumeMounts    []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
	probe struct {
		HTTPGet       struct{ Path, Port string } `yaml:"httpGet"`
		PeriodSeconds int                         `yaml:"periodSeconds"`
	}
	securityContext struct {
		RunAsNonRoot             bool                  `yaml:"runAsNonRoot"`
		RunAsUser                int                   `yaml:"runAsUser"`
		RunAsGroup               int                   `yaml:"runAsGroup"`
		FSGroup                  int                   `yaml:"fsGroup"`
		SeccompProfile           struct{ Type string } `yaml:"seccompProfile"`
		AllowPrivilegeEscalation *bool                 `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool                  `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct{ Drop []string }
	}
	functionObject struct { // internal/function reads the rest
		object `yaml:",inline"`
		Spec   map[string]any
	}
	scaledObject struct {
		object `yaml:",inline"`
		Spec   struct {
			ScaleTargetRef  struct{ Name string } `yaml:"scaleTargetRef"`
			MinReplicaCount *int                  `yaml:"minReplicaCount"`
			MaxReplicaCount int                   `yaml:"maxReplicaCount"`
			PollingInterval int                   `yaml:"pollingInterval"`
			CooldownPeriod  int                   `yaml:"cooldownPeriod"`
			Fallback        *struct {
				FailureThreshold int `yaml:"failureThreshold"`
				Replicas         int
			}
			Triggers []struct {
				Type              string
				Metadata          map[string]string
				AuthenticationRef struct{ Name, Kind string } `yaml:"authenticationRef"`
			}
			Advanced struct {
				HPA struct {
					Behavior struct {
						ScaleUp   scaling `yaml:"scaleUp"`
						ScaleDown scaling `yaml:"scaleDown"`
					}
				} `yaml:"horizontalPodAutoscalerConfig"`
			}
		}
	}
	scaling struct {
		StabilizationWindowSeconds *int `yaml:"stabilizationWindowSeconds"`
		Policies                   []struct {
			Type          string
			Value         int
			PeriodSeconds int `yaml:"periodSeconds"`
		}
	}
)

// kinds makes an empty object of each kind that a cluster with KEDA knows and we use.
var kinds = map[string]func() any{
	"v1 Namespace":                                  func() any { return &namespace{} },
	"v1 ServiceAccount":                             func() any { return &serviceAccount{} },
	"v1 ConfigMap":                                  func() any { return &configMap{} },
	"v1 Service":                                    func() any { return &service{} },
	"apps/v1 Deployment":                            func() any { return &workload{} },
	"apps/v1 StatefulSet":                           func() any { return &workload{} },
	"policy/v1 PodDisruptionBudget":                 func() any { return &disruptionBudget{} },
	"networking.k8s.io/v1 NetworkPolicy":            func() any { return &networkPolicy{} },
	"pelton.dev/v1alpha1 Function":                  func() any { return &functionObject{} },
	"keda.sh/v1alpha1 ScaledObject":                 func() any { return &scaledObject{} },
	"keda.sh/v1alpha1 ClusterTriggerAuthentication": func() any { return &authentication{} },
}

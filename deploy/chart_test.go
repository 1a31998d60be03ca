package deploy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// releases are what `.ci/chart render` makes of the chart.
var releases = []string{"install.yaml", "testdata/chart/namespaced.yaml", "testdata/chart/trial.yaml"}

// foreign is an object of KEDA or cert-manager, of which the fields that we write are known.
type foreign struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		SecretTargetRef []struct{ Parameter, Name, Key string } `json:"secretTargetRef"`
		SecretName      string                                  `json:"secretName"`
		CommonName      string                                  `json:"commonName"`
		DNSNames        []string                                `json:"dnsNames"`
		Usages          []string                                `json:"usages"`
		PrivateKey      struct {
			Algorithm, RotationPolicy string
			Size                      int
		} `json:"privateKey"`
		IssuerRef struct{ Name, Kind, Group string } `json:"issuerRef"`
	} `json:"spec"`
}

// definition is long to name.
type definition = apiextensionsv1.CustomResourceDefinition

// installed makes an empty object of each kind that the chart has.
var installed = map[string]func() metav1.Object{
	"v1 Namespace":                                     func() metav1.Object { return &corev1.Namespace{} },
	"v1 ServiceAccount":                                func() metav1.Object { return &corev1.ServiceAccount{} },
	"v1 ConfigMap":                                     func() metav1.Object { return &corev1.ConfigMap{} },
	"v1 Service":                                       func() metav1.Object { return &corev1.Service{} },
	"apps/v1 Deployment":                               func() metav1.Object { return &appsv1.Deployment{} },
	"apps/v1 StatefulSet":                              func() metav1.Object { return &appsv1.StatefulSet{} },
	"policy/v1 PodDisruptionBudget":                    func() metav1.Object { return &policyv1.PodDisruptionBudget{} },
	"networking.k8s.io/v1 NetworkPolicy":               func() metav1.Object { return &networkingv1.NetworkPolicy{} },
	"rbac.authorization.k8s.io/v1 Role":                func() metav1.Object { return &rbacv1.Role{} },
	"rbac.authorization.k8s.io/v1 RoleBinding":         func() metav1.Object { return &rbacv1.RoleBinding{} },
	"rbac.authorization.k8s.io/v1 ClusterRole":         func() metav1.Object { return &rbacv1.ClusterRole{} },
	"rbac.authorization.k8s.io/v1 ClusterRoleBinding":  func() metav1.Object { return &rbacv1.ClusterRoleBinding{} },
	"keda.sh/v1alpha1 ClusterTriggerAuthentication":    func() metav1.Object { return &foreign{} },
	"cert-manager.io/v1 Certificate":                   func() metav1.Object { return &foreign{} },
	"apiextensions.k8s.io/v1 CustomResourceDefinition": func() metav1.Object { return &definition{} },
}

// readRelease decodes a rendered chart as strictly as an apiserver would.
func readRelease(t *testing.T, path string) (objects []metav1.Object) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range documents(t, text) {
		kind := kindOf(t, document)
		empty := installed[kind]
		if empty == nil {
			t.Fatalf("%s: there is no %s", path, kind)
		}
		o := empty()
		if err := yaml.UnmarshalStrict(document, o); err != nil {
			t.Fatalf("%s: %s: %v", path, kind, err)
		}
		objects = append(objects, o)
	}
	return objects
}

// documents splits a file into its objects; what is only a comment is none.
func documents(t *testing.T, text []byte) (all [][]byte) {
	t.Helper()
	for r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		document, err := r.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if kindOf(t, document) != "" {
			all = append(all, document)
		}
	}
}

// kindOf is the version and kind of an object.
func kindOf(t *testing.T, document []byte) string {
	t.Helper()
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(document, &kind); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(kind.APIVersion + " " + kind.Kind)
}

// allOf returns the objects of one type.
func allOf[T any](objects []metav1.Object) (found []T) {
	for _, o := range objects {
		if typed, ok := o.(T); ok {
			found = append(found, typed)
		}
	}
	return found
}

// pods returns every pod template of a release, by the name of what starts it.
func pods(objects []metav1.Object) map[string]corev1.PodTemplateSpec {
	found := map[string]corev1.PodTemplateSpec{}
	for _, d := range allOf[*appsv1.Deployment](objects) {
		found[d.Name] = d.Spec.Template
	}
	for _, s := range allOf[*appsv1.StatefulSet](objects) {
		found[s.Name] = s.Spec.Template
	}
	return found
}

// TestReleases: every object of the chart is one that a cluster would take, and is found by its labels.
func TestReleases(t *testing.T) {
	t.Parallel()
	for _, path := range releases {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			objects := readRelease(t, path)
			for _, o := range objects {
				if _, isNamespace := o.(*corev1.Namespace); isNamespace {
					continue
				}
				for _, label := range []string{"name", "instance", "part-of", "version", "managed-by"} {
					if o.GetLabels()["app.kubernetes.io/"+label] == "" {
						t.Errorf("%T %s has no label %s", o, o.GetName(), label)
					}
				}
			}
			for name, p := range pods(objects) {
				restricted(t, name, p.Spec)
			}
			selected(t, objects)
		})
	}
}

// restricted checks the strictest of Kubernetes' Pod Security standards, and that nothing can grow without end.
func restricted(t *testing.T, name string, p corev1.PodSpec) {
	t.Helper()
	s := p.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil ||
		s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%s: securityContext is %+v", name, s)
	}
	if p.EnableServiceLinks == nil || *p.EnableServiceLinks || p.AutomountServiceAccountToken == nil ||
		*p.AutomountServiceAccountToken != strings.HasSuffix(name, "-controller") {
		t.Errorf("%s: only the controller has a token, and nobody the addresses of services: %v, %v",
			name, p.AutomountServiceAccountToken, p.EnableServiceLinks)
	}
	for _, c := range p.Containers {
		s := c.SecurityContext
		if s == nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem ||
			!slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
			t.Errorf("%s/%s: securityContext is %+v", name, c.Name, s)
		}
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s/%s: resources are %+v", name, c.Name, c.Resources)
		}
		mounted(t, name, p, c)
	}
}

// mounted: a container mounts volumes that there are, and its probes ask ports that there are.
func mounted(t *testing.T, name string, p corev1.PodSpec, c corev1.Container) {
	t.Helper()
	for _, m := range c.VolumeMounts {
		if !slices.ContainsFunc(p.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) && m.Name != "data" {
			t.Errorf("%s/%s mounts %s, which is no volume", name, c.Name, m.Name)
		}
	}
	for _, probe := range []*corev1.Probe{c.ReadinessProbe, c.LivenessProbe} {
		if probe != nil && !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool {
			return p.Name == probe.HTTPGet.Port.StrVal
		}) {
			t.Errorf("%s/%s: a probe asks %s, which is no port", name, c.Name, probe.HTTPGet.Port.StrVal)
		}
	}
}

// selected: what selects pods selects some.
func selected(t *testing.T, objects []metav1.Object) {
	t.Helper()
	selectors := map[string]map[string]string{}
	for _, d := range allOf[*appsv1.Deployment](objects) {
		selectors["Deployment "+d.Name] = d.Spec.Selector.MatchLabels
	}
	for _, s := range allOf[*corev1.Service](objects) {
		selectors["Service "+s.Name] = s.Spec.Selector
	}
	for _, b := range allOf[*policyv1.PodDisruptionBudget](objects) {
		selectors["PodDisruptionBudget "+b.Name] = b.Spec.Selector.MatchLabels
	}
	for _, p := range allOf[*networkingv1.NetworkPolicy](objects) {
		selectors["NetworkPolicy "+p.Name] = p.Spec.PodSelector.MatchLabels
	}
	all := pods(objects)
	for who, selector := range selectors {
		_, name, _ := strings.Cut(who, " ")
		matches := 0
		for owner, p := range all {
			if metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: selector}) == "" {
				t.Errorf("%s selects everything", who)
			}
			if includes(p.Labels, selector) {
				matches++
				if owner != name {
					t.Errorf("%s selects the pods of %s", who, owner)
				}
			}
		}
		if matches == 0 {
			t.Errorf("%s selects no pods: %v", who, selector)
		}
	}
}

func includes(labels, selector map[string]string) bool {
	for name, value := range selector {
		if labels[name] != value {
			return false
		}
	}
	return true
}

package deploy

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var update = flag.Bool("update", false, "write what is made of the chart: the list of rights, the table of values")

// role is a Role or a ClusterRole.
type role struct {
	name  string
	rules []rbacv1.PolicyRule
}

func roles(objects []metav1.Object) (all []role) {
	for _, r := range allOf[*rbacv1.ClusterRole](objects) {
		all = append(all, role{"ClusterRole " + r.Name, r.Rules})
	}
	for _, r := range allOf[*rbacv1.Role](objects) {
		all = append(all, role{"Role " + r.Namespace + "/" + r.Name, r.Rules})
	}
	return all
}

// TestRBAC: whoever changes what a program may do in a cluster changes this list, and so somebody reads it.
func TestRBAC(t *testing.T) {
	t.Parallel()
	const golden = "testdata/rbac.golden.txt"
	var out strings.Builder
	for _, path := range []string{"install.yaml", "testdata/chart/namespaced.yaml"} {
		fmt.Fprintf(&out, "# %s\n", path)
		objects := readRelease(t, path)
		for _, r := range roles(objects) {
			fmt.Fprintf(&out, "%s\n%s", r.name, lines(r.rules))
		}
		out.WriteString(bindings(objects))
	}
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("rights have changed (go test ./deploy -run TestRBAC -update, and read them):\n%s", diff)
	}
}

// lines are rules, one resource on each line.
func lines(rules []rbacv1.PolicyRule) string {
	var list []string
	for _, r := range rules {
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				names := ""
				if len(r.ResourceNames) > 0 {
					names = " " + strings.Join(r.ResourceNames, ",")
				}
				list = append(list, fmt.Sprintf("  %s/%s%s: %s\n", group, resource, names, strings.Join(r.Verbs, " ")))
			}
		}
	}
	slices.Sort(list)
	return strings.Join(list, "")
}

func bindings(objects []metav1.Object) string {
	var list []string
	add := func(of string, ref rbacv1.RoleRef, subjects []rbacv1.Subject) {
		for _, s := range subjects {
			list = append(list, fmt.Sprintf("%s: %s %s/%s is %s %s\n", of, s.Kind, s.Namespace, s.Name, ref.Kind, ref.Name))
		}
	}
	for _, b := range allOf[*rbacv1.ClusterRoleBinding](objects) {
		add("everywhere", b.RoleRef, b.Subjects)
	}
	for _, b := range allOf[*rbacv1.RoleBinding](objects) {
		add("in "+b.Namespace, b.RoleRef, b.Subjects)
	}
	return strings.Join(list, "")
}

// TestRBACIsNarrow: no wildcard, nothing by which rights grow, and no secret can be read.
func TestRBACIsNarrow(t *testing.T) {
	t.Parallel()
	for _, path := range releases {
		for _, r := range roles(readRelease(t, path)) {
			for _, rule := range r.rules {
				if len(rule.NonResourceURLs) > 0 || slices.Contains(slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs), "*") {
					t.Errorf("%s, %s: a wildcard: %+v", path, r.name, rule)
				}
				for _, verb := range rule.Verbs {
					grows := verb == "bind" || verb == "escalate" || verb == "impersonate"
					reads := slices.Contains(rule.Resources, "secrets") && verb != "create" && verb != "patch"
					enters := slices.ContainsFunc(rule.Resources, func(r string) bool {
						return r == "pods/exec" || r == "pods/attach" || r == "serviceaccounts/token" || r == "nodes/proxy"
					})
					if grows || reads || enters {
						t.Errorf("%s, %s: may %s %v", path, r.name, verb, rule.Resources)
					}
				}
			}
		}
	}
}

// TestNamespacedMode: nothing reaches beyond the namespaces that were named.
func TestNamespacedMode(t *testing.T) {
	t.Parallel()
	objects := readRelease(t, "testdata/chart/namespaced.yaml")
	if all := allOf[*rbacv1.ClusterRole](objects); len(all) > 0 {
		t.Errorf("there are ClusterRoles: %v", all[0].Name)
	}
	var in []string
	for _, b := range allOf[*rbacv1.RoleBinding](objects) {
		in = append(in, b.Namespace)
	}
	if diff := cmp.Diff([]string{"shop", "shop-test", "pelton-system"}, in); diff != "" {
		t.Errorf("roles are bound elsewhere:\n%s", diff)
	}
	if text := envOf(t, pods(objects)["pelton-controller"], "PELTON_NAMESPACES"); text != "shop,shop-test" {
		t.Errorf("PELTON_NAMESPACES is %q", text)
	}
}

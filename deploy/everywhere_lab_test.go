package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestEverywhere installs the chart without naming namespaces: one ClusterRole instead of Roles. Functions of two namespaces work,
// the rights in the cluster are those of the golden list, and what the apiserver lets the controller do is that and no more.
func TestEverywhere(t *testing.T) {
	r := startRig(t)
	r.prepare()
	js := r.install()
	for _, namespace := range []string{ordersHere, moreHere} {
		r.kubectl(greeter(namespace, "steady"), "apply", "-f", "-")
	}
	for _, namespace := range []string{ordersHere, moreHere} {
		r.kubectl("", "-n", namespace, "wait", "pfn", "--all", "--for=condition=Ready", "--timeout=5m")
	}
	if _, err := js.Publish(t.Context(), "events.steady", []byte(`{"name":"you"}`)); err != nil {
		t.Fatal(err)
	}
	r.await("an answer of each namespace", func() error {
		if n := len(messages(t, js, "events.answers.steady")); n != 2 {
			return fmt.Errorf("%d answers", n)
		}
		return nil
	})
	r.checkGolden()
	r.checkRules()
	for _, namespace := range []string{ordersHere, moreHere} {
		r.kubectl("", "-n", namespace, "delete", "pfn", "--all", "--timeout=5m")
	}
}

// clusterRights is the part of the golden list that is about install.yaml.
func clusterRights(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/rbac.golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "# install.yaml\n")
	list, _, _ := strings.Cut(rest, "# ")
	return list
}

// checkGolden compares the roles and bindings that there are in the cluster with the golden list.
func (r *rig) checkGolden() {
	r.t.Helper()
	var objects []metav1.Object
	objects = append(objects, ofRelease[rbacv1.ClusterRole](r, "clusterroles")...)
	objects = append(objects, ofRelease[rbacv1.ClusterRoleBinding](r, "clusterrolebindings")...)
	objects = append(objects, ofRelease[rbacv1.Role](r, "roles")...)
	objects = append(objects, ofRelease[rbacv1.RoleBinding](r, "rolebindings")...)
	var out strings.Builder
	for _, role := range roles(objects) {
		fmt.Fprintf(&out, "%s\n%s", role.name, lines(role.rules))
	}
	out.WriteString(bindings(objects))
	here := strings.NewReplacer(system, "pelton-system", fullname, "pelton").Replace(out.String())
	if diff := gocmp.Diff(sorted(clusterRights(r.t)), sorted(here)); diff != "" {
		r.t.Errorf("rights in the cluster are not those of testdata/rbac.golden.txt (-golden +cluster):\n%s", diff)
	}
}

// ofRelease are the objects of a kind that belong to the release, in all namespaces.
func ofRelease[T any, P interface {
	*T
	metav1.Object
}](r *rig, kind string) (all []metav1.Object) {
	r.t.Helper()
	var list struct{ Items []T }
	out := r.kubectl("", "get", kind, "--all-namespaces", "-l", "app.kubernetes.io/instance="+release, "-o", "json")
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		r.t.Fatal(err)
	}
	for i := range list.Items {
		all = append(all, P(&list.Items[i]))
	}
	return all
}

// checkRules asks the apiserver what the controller may do in a namespace that the chart has never heard of.
func (r *rig) checkRules() {
	r.t.Helper()
	out := r.kubectl("apiVersion: authorization.k8s.io/v1\nkind: SelfSubjectRulesReview\nspec: {namespace: default}", "create", "-f", "-",
		"--validate=false", "-o", "json", "--as=system:serviceaccount:"+system+":"+fullname+"-controller")
	var review authorizationv1.SelfSubjectRulesReview
	if err := json.Unmarshal([]byte(out), &review); err != nil {
		r.t.Fatal(err)
	}
	var rules []rbacv1.PolicyRule
	for _, rule := range review.Status.ResourceRules {
		if !strings.HasPrefix(rule.Resources[0], "selfsubject") { // everybody may ask what he may
			rules = append(rules, rbacv1.PolicyRule{
				Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources, ResourceNames: rule.ResourceNames,
			})
		}
	}
	var golden strings.Builder
	_, rest, _ := strings.Cut(clusterRights(r.t), "ClusterRole pelton-controller\n")
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "  ") { // the next role
			break
		}
		golden.WriteString(line)
	}
	if diff := gocmp.Diff(sorted(golden.String()), sorted(lines(rules))); diff != "" {
		r.t.Errorf("the apiserver lets the controller do something else than the golden list says (-golden +apiserver):\n%s", diff)
	}
}

func sorted(text string) []string {
	return slices.Sorted(strings.Lines(strings.TrimSpace(text) + "\n"))
}

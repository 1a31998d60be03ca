package deploy

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pelton-dev/pelton/internal/desired"
	"github.com/pelton-dev/pelton/internal/function"
	"github.com/pelton-dev/pelton/internal/lab"
)

// orderImages are the images of the order pipeline in the lab.
var orderImages = map[string]string{"validate": lab.ValidateImage, "charge": lab.ChargeImage, "notify": lab.NotifyImage}

// TestOrders: the pipeline of the cluster is the one of one machine, but for what must differ.
func TestOrders(t *testing.T) {
	t.Parallel()
	const file = "example/orders.yaml"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	here := map[string]*function.Function{}
	for _, fn := range parse(t, text, file) {
		here[fn.Metadata.Name] = fn
		settings := desired.Settings{SidecarImage: "sidecar:1", NATSURL: "nats://nats:4222", ScalerAddress: "scaler:9090"}
		if _, err := desired.Objects(fn, settings); err != nil {
			t.Errorf("the controller refuses it: %v", err)
		}
	}
	there, err := function.Load([]string{"../functions/examples/orders"}, function.CheckCommand)
	if err != nil {
		t.Fatal(err)
	}
	if len(here) != len(there) || len(here) != len(orderImages) {
		t.Errorf("%d functions, and on one machine %d", len(here), len(there))
	}
	for _, fn := range there {
		mine := here[fn.Metadata.Name]
		if mine == nil {
			t.Errorf("%s has no %s", file, fn.Metadata.Name)
			continue
		}
		if want := orderImages[fn.Metadata.Name]; "pelton.local/"+mine.Spec.Handler.Image != want {
			t.Errorf("%s has image %s, the lab %s", fn.Metadata.Name, mine.Spec.Handler.Image, want)
		}
		mine.Spec.Handler.Image, mine.Spec.Handler.Port = "", fn.Spec.Handler.Port
		for i, v := range mine.Spec.Handler.Env {
			if v.Name == "LOG" {
				mine.Spec.Handler.Env[i].Value = fn.Spec.Handler.Env[i].Value
			}
		}
		if diff := cmp.Diff(fn.Spec, mine.Spec); diff != "" {
			t.Errorf("%s differs from one machine:\n%s", fn.Metadata.Name, diff)
		}
	}
}

// parse reads the Functions among the objects of a file.
func parse(t *testing.T, text []byte, file string) []*function.Function {
	t.Helper()
	var fns []*function.Function
	for _, document := range documents(t, text) {
		if kindOf(t, document) != "pelton.dev/v1alpha1 Function" {
			continue
		}
		found, problems := function.Parse(document, file)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		fns = append(fns, found...)
	}
	return fns
}

package v1alpha1

// The definition is written by way of a shell, as the tool would name the file pelton.dev_functions.yaml.

//go:generate go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0 object paths=. paths=../../function
//go:generate sh -c "go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0 crd paths=. output:crd:stdout > ../../../deploy/crd/functions.pelton.dev.yaml"

// Command crdcheck judges custom resources as an apiserver would, without one: it reads a CustomResourceDefinition and
// objects, and says of each why it would be refused. The tests of internal/controller/v1alpha1 build and ask it.
//
// It is a module of its own, so that the libraries of the apiserver do not become dependencies of Pelton. It knows nothing of
// Functions, and ends when its input does.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"sigs.k8s.io/yaml"
)

// answer is what there is to say of one object; no problems mean that it is taken.
type answer struct {
	Problems []string `json:"problems"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: crdcheck CRD.yaml < objects.jsonl > answers.jsonl")
		os.Exit(2)
	}
	ctx := context.Background() //nolint:forbidigo // this is main: it ends with its input
	if err := run(ctx, os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "crdcheck: %v\n", err)
		os.Exit(1)
	}
}

// run answers each object of in, one after the other.
func run(ctx context.Context, file string, in io.Reader, out io.Writer) error {
	crd, err := readDefinition(ctx, file)
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	j, err := newJudge(crd)
	if err != nil {
		return fmt.Errorf("read schema of %s: %w", file, err)
	}
	buffered := bufio.NewWriter(out)
	defer buffered.Flush()
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(buffered)
	for {
		var text json.RawMessage
		if err := decoder.Decode(&text); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read object: %w", err)
		}
		if err := encoder.Encode(answer{Problems: j.judge(ctx, text)}); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
	}
}

// readDefinition refuses a definition that an apiserver would refuse, for rules that could cost too much for instance.
func readDefinition(ctx context.Context, file string) (*apiextensions.CustomResourceDefinition, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var written apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &written); err != nil {
		return nil, err
	}
	apiextensionsv1.SetDefaults_CustomResourceDefinition(&written)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&written.Spec)
	for _, v := range written.Spec.Versions {
		written.Status.StoredVersions = append(written.Status.StoredVersions, v.Name)
	}
	var crd apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&written, &crd, nil); err != nil {
		return nil, err
	}
	return &crd, validation.ValidateCustomResourceDefinition(ctx, &crd).ToAggregate()
}

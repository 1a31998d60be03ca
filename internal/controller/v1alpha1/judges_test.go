package v1alpha1_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pelton-dev/pelton/internal/function"
)

const definition = "../../../deploy/crd/functions.pelton.dev.yaml"

// byValidator is what `pelton validate` and the controller say; nil is a good manifest.
func byValidator(text []byte) error {
	_, problems := function.ParseJSON(text)
	if len(problems) > 0 {
		return &function.Invalid{Problems: problems}
	}
	return nil
}

// byDefinition is what an apiserver would say of each manifest, by its own libraries and without one.
func byDefinition(t *testing.T, manifests [][]byte) []error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), crdcheck(t), definition)
	var answers, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(bytes.Join(manifests, []byte("\n"))), &answers, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	verdicts := make([]error, len(manifests))
	decoder := json.NewDecoder(&answers)
	for i := range verdicts {
		var answer struct{ Problems []string }
		if err := decoder.Decode(&answer); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		for _, problem := range answer.Problems {
			verdicts[i] = errors.Join(verdicts[i], errors.New(problem))
		}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		t.Fatal("there are more answers than manifests")
	}
	return verdicts
}

// crdcheck builds the program of internal/crdcheck, which is a module of its own.
func crdcheck(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "crdcheck")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	cmd.Dir = "../../crdcheck"
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOWORK=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build crdcheck: %v\n%s", err, said)
	}
	return program
}

// disagreement says how two verdicts about one manifest differ, or "".
func disagreement(c manifestCase, validator, server error) string {
	switch {
	case c.stored != "" && server == nil && validator != nil:
		return ""
	case c.stored != "":
		return fmt.Sprintf("want it refused by the validator alone (%s): validator %v, apiserver %v", c.stored, validator, server)
	case c.beyond != "" && server == nil && validator != nil:
		return ""
	case c.beyond != "":
		return fmt.Sprintf("want it beyond the definition (%s): validator %v, apiserver %v", c.beyond, validator, server)
	case c.beyondPerhaps && server == nil:
		return ""
	case (validator == nil) != (server == nil):
		return fmt.Sprintf("validator %v, apiserver %v", validator, server)
	}
	return ""
}

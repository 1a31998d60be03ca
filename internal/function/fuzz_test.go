package function_test

import (
	"os"
	"testing"

	"github.com/pelton-dev/pelton/internal/function"
)

// FuzzParse looks for texts that panic, that are accepted with problems, or that do not survive being written as JSON.
func FuzzParse(f *testing.F) {
	sample, err := os.ReadFile(sampleFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(sample))
	f.Add(jsonManifest)
	for _, tests := range [][]problemTest{
		textProblems(), fieldProblems(), typeProblems(), triggerProblems(), scheduleProblems(), httpProblems(), handlerProblems(),
		deliveryProblems(), setProblems(),
	} {
		for _, tt := range tests {
			if len(tt.text) < 4096 {
				f.Add(tt.text)
			}
		}
	}
	f.Add(trigger("{schedule: {cron: '@daily', data: " + bomb(3) + "}}"))
	f.Fuzz(func(t *testing.T, text string) {
		functions, problems := function.Parse([]byte(text), "f.yaml")
		if (len(functions) > 0) == (len(problems) > 0) {
			t.Fatalf("%d functions and %d problems", len(functions), len(problems))
		}
		for _, p := range problems {
			if p.File != "f.yaml" || p.Message == "" {
				t.Errorf("incomplete problem %+v", p)
			}
		}
		for _, fn := range functions {
			checkRoundTrip(t, "manifest", fn)
		}
	})
}

package function

import "fmt"

// checkSet checks what concerns several functions: names and HTTP routes that two of them claim.
func checkSet(manifests []manifest) []Problem {
	return append(checkNames(manifests), checkRoutes(manifests)...)
}

func checkNames(manifests []manifest) (problems []Problem) {
	first := map[Key]manifest{}
	for _, m := range manifests {
		earlier, taken := first[m.Key()]
		if m.Metadata.Name == "" {
			continue
		}
		if !taken {
			first[m.Key()] = m
			continue
		}
		problems = append(problems, m.locate([]Problem{{
			Path:    "metadata.name",
			Message: fmt.Sprintf("there is already a function %s, at %s", m.Key(), earlier.at("metadata.name")),
			Hint:    "give one of them another name or namespace",
		}})...)
	}
	return problems
}

// route is what the HTTP front door tells functions apart by.
type route struct{ method, path string }

func checkRoutes(manifests []manifest) (problems []Problem) {
	first := map[route]string{}
	for _, m := range manifests {
		for i, trigger := range m.Spec.Triggers {
			if trigger.HTTP == nil {
				continue
			}
			path := fmt.Sprintf("spec.triggers[%d].http.path", i)
			for _, method := range trigger.HTTP.Methods {
				r := route{method, trigger.HTTP.Path}
				if earlier, taken := first[r]; taken {
					problems = append(problems, m.locate([]Problem{{
						Path:    path,
						Message: fmt.Sprintf("%s %s already belongs to %s", method, quote(r.path), earlier),
						Hint:    "choose another path or method",
					}})...)
					continue
				}
				first[r] = fmt.Sprintf("function %s, at %s", m.Key(), m.at(path))
			}
		}
	}
	return problems
}

// at formats where a field is written.
func (m manifest) at(path string) string { return place(m.Origin.File, m.place(path)) }

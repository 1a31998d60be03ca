package function

import (
	"fmt"
	"slices"
)

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

// routeClaim is a route with the field that asks for it.
type routeClaim struct {
	route
	field string
}

func checkRoutes(manifests []manifest) (problems []Problem) {
	first := map[route]string{}
	for _, m := range manifests {
		for _, claim := range m.routes() {
			earlier, taken := first[claim.route]
			if !taken {
				first[claim.route] = fmt.Sprintf("function %s, at %s", m.Key(), m.at(claim.field))
				continue
			}
			problems = append(problems, m.locate([]Problem{{
				Path:    claim.field,
				Message: fmt.Sprintf("%s %s already belongs to %s", cut(claim.method), quote(claim.path), earlier),
				Hint:    "choose another path or method",
			}})...)
		}
	}
	return problems
}

// routes lists the routes that m asks for. A method listed twice in one trigger is checkMethods' problem.
func (m manifest) routes() (claims []routeClaim) {
	for i, trigger := range m.Spec.Triggers {
		if trigger.HTTP == nil {
			continue
		}
		methods := slices.Sorted(slices.Values(trigger.HTTP.Methods))
		for _, method := range slices.Compact(methods) {
			field := fmt.Sprintf("spec.triggers[%d].http.path", i)
			claims = append(claims, routeClaim{route{method, trigger.HTTP.Path}, field})
		}
	}
	return claims
}

// at formats where a field is written.
func (m manifest) at(path string) string { return place(m.Origin.File, m.place(path)) }

package main

import (
	"context"
	"errors"
	"fmt"
	"math"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	schemacel "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	metavalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/json"
)

// judge has what an apiserver makes of the only version of a definition.
type judge struct {
	apiVersion, kind string
	structural       *schema.Structural
	schema           validation.SchemaValidator
	rules            *schemacel.Validator
}

func newJudge(crd *apiextensions.CustomResourceDefinition) (*judge, error) {
	if len(crd.Spec.Versions) != 1 {
		return nil, fmt.Errorf("it has %d versions, and only one can be judged by", len(crd.Spec.Versions))
	}
	version := crd.Spec.Versions[0]
	props := crd.Spec.Validation // a single version's schema is kept here
	if version.Schema != nil {
		props = version.Schema
	}
	structural, err := schema.NewStructural(props.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	validator, _, err := validation.NewSchemaValidator(props.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	return &judge{
		apiVersion: crd.Spec.Group + "/" + version.Name, kind: crd.Spec.Names.Kind,
		structural: structural, schema: validator,
		rules: schemacel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
}

// judge goes the way of an object that is created with strict field validation.
func (j *judge) judge(ctx context.Context, text []byte) []string {
	var object map[string]any
	twice, err := json.UnmarshalStrict(text, &object, json.DisallowDuplicateFields)
	if err = errors.Join(append(twice, err)...); err != nil {
		return []string{err.Error()}
	}
	if object["apiVersion"] != j.apiVersion || object["kind"] != j.kind {
		return []string{fmt.Sprintf("no kind %v is served in version %v", object["kind"], object["apiVersion"])}
	}
	unknown := pruning.PruneWithOptions(object, j.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	var problems []string
	for _, path := range unknown {
		problems = append(problems, fmt.Sprintf("unknown field %q", path))
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(object, j.structural)
	defaulting.Default(object, j.structural)
	for _, err := range j.errors(ctx, object) {
		problems = append(problems, err.Error())
	}
	return problems
}

func (j *judge) errors(ctx context.Context, object map[string]any) field.ErrorList {
	meta, found, unknown, err := objectmeta.GetObjectMetaWithOptions(object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil || !found {
		return field.ErrorList{field.Invalid(field.NewPath("metadata"), object["metadata"], fmt.Sprintf("it cannot be read: %v", err))}
	}
	if meta.Namespace == "" {
		meta.Namespace = "default" // the client's
	}
	errs := metavalidation.ValidateObjectMeta(meta, true, metavalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	for _, wrong := range metavalidation.ValidateNamespaceName(meta.Namespace, false) {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "namespace"), meta.Namespace, wrong))
	}
	for _, path := range unknown {
		errs = append(errs, field.Invalid(field.NewPath("metadata"), path, "unknown field"))
	}
	errs = append(errs, validation.ValidateCustomResource(nil, object, j.schema)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, j.structural, object)...)
	ruleErrs, left := j.rules.Validate(ctx, nil, j.structural, object, nil, celconfig.RuntimeCELCostBudget)
	if left < 0 && left != math.MinInt64 {
		errs = append(errs, field.Invalid(nil, left, "the rules cost more than an apiserver allows"))
	}
	return append(errs, ruleErrs...)
}

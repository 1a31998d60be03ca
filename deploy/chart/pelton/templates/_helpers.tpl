{{/* The names of all objects begin with this. */}}
{{- define "pelton.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-pelton" .Release.Name) (contains "pelton" .Release.Name) -}}
{{- .Values.fullnameOverride | default $name | trunc 48 | trimSuffix "-" -}}
{{- end -}}

{{- define "pelton.controller" -}}{{ include "pelton.fullname" . }}-controller{{- end -}}
{{- define "pelton.scaler" -}}{{ include "pelton.fullname" . }}-scaler{{- end -}}
{{- define "pelton.bridge" -}}{{ include "pelton.fullname" . }}-bridge{{- end -}}
{{- define "pelton.nats" -}}{{ include "pelton.fullname" . }}-nats{{- end -}}
{{- define "pelton.scalerHost" -}}{{ include "pelton.scaler" . }}.{{ .Release.Namespace }}.svc{{- end -}}

{{/* The labels of every object. Call it with (list . "name of the program"). */}}
{{- define "pelton.labels" -}}
{{- $root := index . 0 -}}
{{ include "pelton.selector" . }}
app.kubernetes.io/part-of: pelton
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* What pods are selected by; it can never be changed. */}}
{{- define "pelton.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- end -}}

{{/* An image of ours: (list . "pelton-scaler"). */}}
{{- define "pelton.image" -}}
{{- $i := (index . 0).Values.image -}}
{{- with $i.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ index . 1 }}:{{ $i.tag | default (index . 0).Chart.AppVersion }}
{{- end -}}

{{- define "pelton.sidecarImage" -}}
{{- .Values.functions.sidecarImage | default (include "pelton.image" (list . "pelton-sidecar")) -}}
{{- end -}}

{{/* The address of NATS; nobody guesses it. */}}
{{- define "pelton.natsURL" -}}
{{- if .Values.nats.url -}}
{{- .Values.nats.url -}}
{{- else if .Values.nats.trial.enabled -}}
nats://{{ include "pelton.nats" . }}.{{ .Release.Namespace }}.svc:4222
{{- else -}}
{{- fail (cat "nats.url: it is not set: give the address of your NATS (2.12 or newer, with JetStream), such as"
  "nats://nats.example.svc:4222, or start one for a trial with nats.trial.enabled=true") -}}
{{- end -}}
{{- end -}}

{{- define "pelton.scalerSecret" -}}{{ .Values.tls.scalerSecret | default (printf "%s-tls" (include "pelton.scaler" .)) }}{{- end -}}
{{- define "pelton.kedaSecret" -}}{{ .Values.tls.kedaSecret | default (printf "%s-client" (include "pelton.scaler" .)) }}{{- end -}}

{{/* The credentials of a program, in YAML: its own, or those of both. (list . .Values.scaler) */}}
{{- define "pelton.credentials" -}}
{{- $own := (index . 1).credentials -}}
{{- ternary $own (index . 0).Values.nats.credentials (ne $own.secret "") | toYaml -}}
{{- end -}}

{{/* The variables that name the files of credentials. */}}
{{- define "pelton.credentialsEnv" -}}
{{- range $name, $key := dict "NATS_CREDS" .creds "NATS_CA" .ca "NATS_CERT" .cert "NATS_KEY" .key }}
{{- if $key }}
- {name: {{ $name }}, value: {{ printf "/etc/pelton/nats/%s" $key | quote }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* What every pod has: the restricted Pod Security rules, and nothing of the cluster that it does not need. */}}
{{- define "pelton.pod" -}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532 # so that they may read the files of secrets
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "pelton.restricted" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where pods run, of .Values.controller, .Values.scaler or .Values.bridge. */}}
{{- define "pelton.placement" -}}
{{- with .priorityClassName -}}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "pelton.pullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
{{- range . }}
  - {name: {{ . }}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "session-reaper.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "session-reaper.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "session-reaper.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{/* The full name with a suffix, still within 63 characters. Call: (list $ "suffix") */}}
{{- define "session-reaper.suffixed" -}}
{{- $suffix := index . 1 }}
{{- $room := int (sub 62 (len $suffix)) }}
{{- printf "%s-%s" (include "session-reaper.fullname" (index . 0) | trunc $room | trimSuffix "-") $suffix }}
{{- end }}

{{- define "session-reaper.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What selects the pod: a Deployment never lets go of these, so nothing that changes belongs here. */}}
{{- define "session-reaper.selectorLabels" -}}
app.kubernetes.io/name: {{ include "session-reaper.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* What tells the pod of `helm test`; not what selects the reaper, or the service would send it traffic. */}}
{{- define "session-reaper.testLabels" -}}
app.kubernetes.io/name: {{ include "session-reaper.suffixed" (list . "test") | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "session-reaper.chartLabels" -}}
helm.sh/chart: {{ include "session-reaper.chart" . | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
app.kubernetes.io/part-of: session-reaper
{{- end }}

{{/* Labels of an object or a pod: the user's common ones, then those given, then the chart's; the later win. Call: (list $ $given) */}}
{{- define "session-reaper.labels" -}}
{{- $root := index . 0 }}
{{- $own := merge (include "session-reaper.selectorLabels" $root | fromYaml) (include "session-reaper.chartLabels" $root | fromYaml) }}
{{- mergeOverwrite (deepCopy $root.Values.commonLabels) (default dict (index . 1)) $own | toYaml }}
{{- end }}

{{/* Name, namespace, labels and annotations. Call: (dict "root" $ "name" $name "labels" $further "annotations" $further) */}}
{{- define "session-reaper.metadata" -}}
name: {{ default (include "session-reaper.fullname" .root) .name | quote }}
namespace: {{ include "session-reaper.namespace" .root | quote }}
labels:
  {{- include "session-reaper.labels" (list .root .labels) | nindent 2 }}
{{- with mergeOverwrite (deepCopy .root.Values.commonAnnotations) (default dict .annotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A pod's labels: what selects it and the workload identity's win over the user's. */}}
{{- define "session-reaper.podLabels" -}}
{{- $labels := deepCopy .Values.podLabels }}
{{- if .Values.azure.workloadIdentity.enabled }}
{{- $_ := set $labels "azure.workload.identity/use" "true" }}
{{- end }}
{{- include "session-reaper.labels" (list . $labels) }}
{{- end }}

{{- define "session-reaper.image" -}}
{{- with .Values.image }}
{{- $at := default .registry $.Values.global.imageRegistry }}
{{- $name := empty $at | ternary .repository (printf "%s/%s" (trimSuffix "/" $at) .repository) }}
{{- if .digest }}
{{- printf "%s@%s" $name .digest }}
{{- else }}
{{- printf "%s:%s" $name (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Secrets for the registry: the parent chart's, names or maps, and the chart's own. */}}
{{- define "session-reaper.pullSecrets" -}}
{{- $found := list }}
{{- range concat (default list .Values.global.imagePullSecrets) .Values.imagePullSecrets }}
{{- $found = append $found (kindIs "string" . | ternary (dict "name" .) .) }}
{{- end }}
{{- with $found | uniq }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "session-reaper.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "session-reaper.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "session-reaper.claimName" -}}
{{- default (include "session-reaper.fullname" .) .Values.persistence.existingClaim }}
{{- end }}

{{/* Where the reaper listens: what the configuration says, else every address there is, of IPv4 and IPv6. */}}
{{- define "session-reaper.listen" -}}
{{- dig "server" "listen" "[::]:9464" .Values.config }}
{{- end }}

{{- define "session-reaper.port" -}}
{{- include "session-reaper.listen" . | splitList ":" | last }}
{{- end }}

{{/* The port of a status page with a listener of its own; '' when there is none, or only within the pod. */}}
{{- define "session-reaper.pagePort" -}}
{{- with dig "server" "page" "" .Values.config }}
{{- if not (include "session-reaper.loopback" .) }}{{ splitList ":" . | last }}{{ end }}
{{- end }}
{{- end }}

{{/* Not '' when an address to listen on is the pod's own only. */}}
{{- define "session-reaper.loopback" -}}
{{- if or (hasPrefix "127." .) (hasPrefix "localhost:" .) (hasPrefix "[::1]:" .) }}yes{{ end }}
{{- end }}

{{/* The configuration as the reaper reads it. */}}
{{- define "session-reaper.config" -}}
{{- $config := deepCopy .Values.config }}
{{- $_ := set $config "state" (default "sqlite:////var/lib/reaper/state.db" $config.state) }}
{{- $_ := set $config "server" (mergeOverwrite (default dict $config.server) (dict "listen" (include "session-reaper.listen" .))) }}
{{- toYaml $config }}
{{- end }}

{{/* The ConfigMap with the configuration: the user's, or the chart's, named by its content. */}}
{{- define "session-reaper.configName" -}}
{{- default (include "session-reaper.suffixed" (list . (include "session-reaper.config" . | sha256sum | trunc 10))) .Values.existingConfigMap }}
{{- end }}

{{/* "enforce" if any policy does, or might, since the configuration is not the chart's; else "observe". */}}
{{- define "session-reaper.mode" -}}
{{- $mode := empty .Values.existingConfigMap | ternary "observe" "enforce" }}
{{- range .Values.config.policies }}
{{- if eq (default "observe" .mode) "enforce" }}{{ $mode = "enforce" }}{{ end }}
{{- end }}
{{- $mode }}
{{- end }}

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
app.kubernetes.io/name: {{ include "session-reaper.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What tells the pod of `helm test`; not what selects the reaper, or the service would send it traffic. */}}
{{- define "session-reaper.testLabels" -}}
app.kubernetes.io/name: {{ include "session-reaper.suffixed" (list . "test") }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "session-reaper.commonLabels" -}}
helm.sh/chart: {{ include "session-reaper.chart" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: session-reaper
{{- end }}

{{- define "session-reaper.labels" -}}
{{ include "session-reaper.selectorLabels" . }}
{{ include "session-reaper.commonLabels" . }}
{{- end }}

{{/* A pod's labels: the user's, then workload identity's, then those that select it; the later win. */}}
{{- define "session-reaper.podLabels" -}}
{{- $labels := deepCopy .Values.podLabels }}
{{- if .Values.azure.workloadIdentity.enabled }}
{{- $_ := set $labels "azure.workload.identity/use" "true" }}
{{- end }}
{{- $labels = mergeOverwrite $labels (include "session-reaper.labels" . | fromYaml) }}
{{- toYaml $labels }}
{{- end }}

{{- define "session-reaper.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
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

{{/* Where the reaper listens: what the configuration says, else every interface. */}}
{{- define "session-reaper.listen" -}}
{{- dig "server" "listen" "0.0.0.0:9464" .Values.config }}
{{- end }}

{{- define "session-reaper.port" -}}
{{- include "session-reaper.listen" . | splitList ":" | last }}
{{- end }}

{{/* The configuration as the reaper reads it. */}}
{{- define "session-reaper.config" -}}
{{- $config := deepCopy .Values.config }}
{{- $_ := set $config "state" (default "sqlite:////var/lib/reaper/state.db" $config.state) }}
{{- $_ := set $config "server" (dict "listen" (include "session-reaper.listen" .)) }}
{{- toYaml $config }}
{{- end }}

{{/* "enforce" if any policy does, else "observe". */}}
{{- define "session-reaper.mode" -}}
{{- $mode := "observe" }}
{{- range .Values.config.policies }}
{{- if eq (default "observe" .mode) "enforce" }}{{ $mode = "enforce" }}{{ end }}
{{- end }}
{{- $mode }}
{{- end }}

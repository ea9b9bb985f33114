{{/*
What the cluster would refuse, or take and lose the state by it: asked of the cluster before anything is sent, because
Helm goes on after an object that is refused. Nothing is known here under `helm template` and `--dry-run=client`.
*/}}
{{- define "session-reaper.refusals.live" -}}
{{- $said := list }}
{{- if and .Values.persistence.enabled (not .Values.persistence.existingClaim) }}
{{- $claim := lookup "v1" "PersistentVolumeClaim" (include "session-reaper.namespace" .) (include "session-reaper.claimName" .) }}
{{- if $claim }}
{{- $said = concat $said (include "session-reaper.refusals.claim" (list . $claim) | fromJsonArray) }}
{{- else }}
{{- $said = concat $said (include "session-reaper.refusals.otherClaims" . | fromJsonArray) }}
{{- end }}
{{- end }}
{{- with .Values.existingConfigMap }}
{{- with lookup "v1" "ConfigMap" (include "session-reaper.namespace" $) . }}
{{- $state := (get (default dict .data) "reaper.yaml" | fromYaml).state | default "" }}
{{- if not (hasKey (default dict .data) "reaper.yaml") }}
{{- $said = append $said (printf "existingConfigMap: %s has no key reaper.yaml: put the configuration there" .metadata.name) }}
{{- else if not (or (hasPrefix "sqlite:////var/lib/reaper/" $state) (hasPrefix "${" $state)) }}
{{- $said = append $said (printf "existingConfigMap: the state of %s is not on the volume (%q): write state: sqlite:////var/lib/reaper/state.db in it" .metadata.name $state) }}
{{- end }}
{{- end }}
{{- end }}
{{- with lookup "apps/v1" "Deployment" (include "session-reaper.namespace" .) (include "session-reaper.fullname" .) }}
{{- $selects := include "session-reaper.selectorLabels" $ | fromYaml }}
{{- if ne (toJson .spec.selector.matchLabels) (toJson $selects) }}
{{- $said = append $said (printf "nameOverride: the Deployment %s selects its pod by %s, which cannot be changed to %s: put the old name back, or delete the Deployment first (the state stays on its claim)" .metadata.name (toJson .spec.selector.matchLabels) (toJson $selects)) }}
{{- end }}
{{- end }}
{{- if .Values.grafanaDashboard.operator.enabled }}
{{- with lookup "grafana.integreatly.org/v1beta1" "GrafanaDashboard" (include "session-reaper.namespace" .) (include "session-reaper.fullname" .) }}
{{- if ne (toJson .spec.instanceSelector) (toJson $.Values.grafanaDashboard.operator.instanceSelector) }}
{{- $said = append $said (printf "grafanaDashboard.operator.instanceSelector: that of the GrafanaDashboard %s cannot be changed: put %s back, or delete it first" .metadata.name (toJson .spec.instanceSelector)) }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.service.ipFamilies }}
{{- $service := lookup "v1" "Service" (include "session-reaper.namespace" $) (include "session-reaper.fullname" $) }}
{{- $has := dig "spec" "ipFamilies" (list) $service }}
{{- if and $has (ne (first .) (first $has)) }}
{{- $said = append $said (printf "service.ipFamilies: the first is %s, but the service has %s and keeps it for life: put it back, or delete the service first" (first .) (first $has)) }}
{{- end }}
{{- end }}
{{- toJson $said }}
{{- end }}

{{/* What the claim that is there says to the values. Call: (list $ $claim) */}}
{{- define "session-reaper.refusals.claim" -}}
{{- $said := list }}
{{- $root := index . 0 }}
{{- $claim := index . 1 }}
{{- $values := $root.Values.persistence }}
{{- $move := "a claim keeps it for life. Put the old value back, or copy the state to a claim of your own and name that in persistence.existingClaim" }}
{{- if $claim.metadata.deletionTimestamp }}
{{- $said = append $said (printf "persistence: the claim %s is being deleted, and the state with it: save the state, wait until the claim is gone, and begin anew" $claim.metadata.name) }}
{{- end }}
{{- if and $values.storageClassName (ne $values.storageClassName (default "" $claim.spec.storageClassName)) }}
{{- $said = append $said (printf "persistence.storageClassName: %q, but the claim %s is of the class %q: %s" $values.storageClassName $claim.metadata.name (default "" $claim.spec.storageClassName) $move) }}
{{- end }}
{{- if not (has $values.accessMode $claim.spec.accessModes) }}
{{- $said = append $said (printf "persistence.accessMode: %q, but the claim %s has %s: %s" $values.accessMode $claim.metadata.name (join ", " $claim.spec.accessModes) $move) }}
{{- end }}
{{- $was := include "session-reaper.bytes" $claim.spec.resources.requests.storage | float64 }}
{{- $now := include "session-reaper.bytes" $values.size | float64 }}
{{- if and $was (lt $now $was) }}
{{- $said = append $said (printf "persistence.size: %q, but the claim %s has %s, and claims only grow: put the old size back" $values.size $claim.metadata.name $claim.spec.resources.requests.storage) }}
{{- else if and $was (gt $now $was) (ne (include "session-reaper.runningConfig" $root) (include "session-reaper.configName" $root)) }}
{{- $said = append $said (printf "persistence.size: grow the claim %s in an upgrade of its own, with the configuration as it is: not every storage class can grow, and Helm would go on to the configuration after a refusal" $claim.metadata.name) }}
{{- end }}
{{- toJson $said }}
{{- end }}

{{/* A claim of this release under another name, or beside the namespace: the reaper would begin anew on an empty one. */}}
{{- define "session-reaper.refusals.otherClaims" -}}
{{- $said := list }}
{{- $here := include "session-reaper.namespace" . }}
{{- $claims := list }}
{{- range list $here .Release.Namespace | uniq }}
{{- $claims = concat $claims (default list (lookup "v1" "PersistentVolumeClaim" . "").items) }}
{{- end }}
{{- range $claims }}
{{- $labels := default dict .metadata.labels }}
{{- $same := and (eq (default "" (get $labels "app.kubernetes.io/instance")) $.Release.Name) (eq (default "" (get $labels "app.kubernetes.io/part-of")) "session-reaper") }}
{{- if not (and $same (regexMatch (printf "^%s-[0-9]" $.Chart.Name) (default "" (get $labels "helm.sh/chart")))) }}
{{- else if ne .metadata.namespace $here }}
{{- $said = append $said (printf "namespaceOverride: the state of this release is on the claim %s in %s, which no pod in %s can mount: take it back, or copy the state to a claim there and name that in persistence.existingClaim" .metadata.name .metadata.namespace $here) }}
{{- else }}
{{- $said = append $said (printf "nameOverride, fullnameOverride: the state of this release is on the claim %s, and as %s it would begin anew on an empty one: put the old name back, or set persistence.existingClaim: %s; to begin anew, delete that claim first" .metadata.name (include "session-reaper.claimName" $) .metadata.name) }}
{{- end }}
{{- end }}
{{- toJson $said }}
{{- end }}

{{/* The ConfigMap that the Deployment in the cluster mounts; '' when there is none. */}}
{{- define "session-reaper.runningConfig" -}}
{{- with lookup "apps/v1" "Deployment" (include "session-reaper.namespace" .) (include "session-reaper.fullname" .) }}
{{- range .spec.template.spec.volumes }}
{{- if eq .name "config" }}{{ .configMap.name }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A quantity with a binary unit in bytes; 0 for any other. */}}
{{- define "session-reaper.bytes" -}}
{{- $unit := regexFind "[KMGT]i$" . }}
{{- if $unit }}
{{- mulf (trimSuffix $unit . | float64) (get (dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776) $unit) }}
{{- else }}0{{ end }}
{{- end }}

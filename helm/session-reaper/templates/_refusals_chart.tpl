{{- define "session-reaper.refusals.chart" -}}
{{- $said := list }}
{{- $values := .Values }}
{{- if not $values.enabled }}
{{- $said = append $said "enabled: false: only a parent chart reads this, as the condition of its dependency. To stop the reaper, set replicaCount: 0" }}
{{- end }}
{{- if not (has (int $values.replicaCount) (list 0 1)) }}
{{- $said = append $said (printf "replicaCount: %v: one reaper sweeps on one state, so the chart runs 1, or 0 to stop it" $values.replicaCount) }}
{{- end }}
{{- if and (not $values.persistence.enabled) (eq (include "session-reaper.mode" .) "enforce") }}
{{- $why := empty $values.existingConfigMap | ternary "a policy enforces" "a policy in existingConfigMap may enforce" }}
{{- $said = append $said (printf "persistence.enabled: false, but %s: with the pod would go the marks, the limits of the day and the record of what was deleted" $why) }}
{{- end }}
{{- if and $values.existingConfigMap $values.config }}
{{- $said = append $said "existingConfigMap, config: the configuration is in one of them, not in both: leave one out" }}
{{- end }}
{{- with $values.config.state }}
{{- if not (hasPrefix "sqlite:////var/lib/reaper/" .) }}
{{- $said = append $said (printf "config.state: %q is not on the volume: leave it out, or write sqlite:////var/lib/reaper/NAME" .) }}
{{- end }}
{{- end }}
{{- $said = concat $said (include "session-reaper.refusals.listeners" . | fromJsonArray) }}
{{- $said = concat $said (include "session-reaper.refusals.service" $values.service | fromJsonArray) }}
{{- with $values.azure.workloadIdentity }}
{{- if and .enabled $values.serviceAccount.create (not .clientId) }}
{{- $said = append $said "azure.workloadIdentity.clientId: missing: it goes on the service account" }}
{{- end }}
{{- end }}
{{- toJson $said }}
{{- end }}

{{- define "session-reaper.refusals.listeners" -}}
{{- $said := list }}
{{- $listen := include "session-reaper.listen" . }}
{{- if include "session-reaper.loopback" $listen }}
{{- $said = append $said (printf "config.server.listen: %q cannot be reached from outside the pod: leave it out, or write 0.0.0.0:PORT or [::]:PORT" $listen) }}
{{- end }}
{{- range $key, $port := dict "listen" (include "session-reaper.port" .) "page" (include "session-reaper.pagePort" .) }}
{{- if and $port (or (gt (atoi $port) 65535) (lt (atoi $port) 1)) }}
{{- $said = append $said (printf "config.server.%s: port %s does not exist: ports are 1 to 65535" $key $port) }}
{{- end }}
{{- end }}
{{- $page := include "session-reaper.pagePort" . }}
{{- if and $page (eq $page (include "session-reaper.port" .)) }}
{{- $said = append $said (printf "config.server.page: port %s is that of config.server.listen: write another, or leave it out" $page) }}
{{- end }}
{{- if and $page (eq (int $page) (int .Values.service.port)) }}
{{- $said = append $said (printf "service.port: %s is the port of config.server.page: write another" $page) }}
{{- end }}
{{- toJson $said }}
{{- end }}

{{/* What a server refuses of the service. Call: .Values.service */}}
{{- define "session-reaper.refusals.service" -}}
{{- $said := list }}
{{- range $key, $types := dict "nodePort" (list "NodePort" "LoadBalancer") "externalTrafficPolicy" (list "NodePort" "LoadBalancer") "loadBalancerClass" (list "LoadBalancer") "loadBalancerSourceRanges" (list "LoadBalancer") }}
{{- if and (get $ $key) (not (has $.type $types)) }}
{{- $said = append $said (printf "service.%s: only for service.type %s, this is %s" $key (join " and " $types) $.type) }}
{{- end }}
{{- end }}
{{- toJson $said }}
{{- end }}

{{/* What the chart itself sets in the pod, and what would be there twice. */}}
{{- define "session-reaper.refusals.pod" -}}
{{- $said := list }}
{{- $values := .Values }}
{{- $seen := dict "REAPER_CONFIG" "the chart sets it" "REAPER_LISTEN" "the chart sets it, from config.server.listen" }}
{{- range $i, $env := $values.extraEnv }}
{{- with get $seen $env.name }}
{{- $said = append $said (printf "extraEnv[%d].name: %q: %s" $i $env.name .) }}
{{- end }}
{{- $_ := set $seen $env.name "it is listed twice" }}
{{- end }}
{{- range $i, $arg := $values.extraArgs }}
{{- if regexMatch `^(-c|--config|--listen)` $arg }}
{{- $said = append $said (printf "extraArgs[%d]: %q: the chart says where the configuration is and where to listen: use config.server.listen" $i $arg) }}
{{- end }}
{{- end }}
{{- $volumes := dict "config" "the chart's own" "state" "the chart's own" "tmp" "the chart's own" }}
{{- range $i, $volume := $values.extraVolumes }}
{{- with get $volumes $volume.name }}
{{- $said = append $said (printf "extraVolumes[%d].name: %q is taken (%s): write another" $i $volume.name .) }}
{{- end }}
{{- $_ := set $volumes $volume.name "it is listed twice" }}
{{- end }}
{{- $said = concat $said (include "session-reaper.refusals.mounts" (list $values.extraVolumeMounts $volumes) | fromJsonArray) }}
{{- $names := dict "reaper" "the chart's own" }}
{{- range $key := list "initContainers" "extraContainers" }}
{{- range $i, $container := get $values $key }}
{{- with get $names $container.name }}
{{- $said = append $said (printf "%s[%d].name: %q is taken (%s): write another" $key $i $container.name .) }}
{{- end }}
{{- $_ := set $names $container.name "it is listed twice" }}
{{- end }}
{{- end }}
{{- toJson $said }}
{{- end }}

{{/* Mounts over or within what the chart mounts, twice at one place, or of no volume. Call: (list $mounts $volumes) */}}
{{- define "session-reaper.refusals.mounts" -}}
{{- $said := list }}
{{- $volumes := index . 1 }}
{{- $seen := dict }}
{{- range $i, $mount := index . 0 }}
{{- $at := printf "extraVolumeMounts[%d]" $i }}
{{- $path := clean $mount.mountPath | trimSuffix "/" }}
{{- if not (hasKey $volumes $mount.name) }}
{{- $said = append $said (printf "%s.name: %q is none of the volumes (%s)" $at $mount.name (keys $volumes | sortAlpha | join ", ")) }}
{{- end }}
{{- range list "/etc/reaper" "/var/lib/reaper" "/tmp" }}
{{- if or (hasPrefix (printf "%s/" .) (printf "%s/" $path)) (hasPrefix (printf "%s/" $path) (printf "%s/" .)) }}
{{- $said = append $said (printf "%s.mountPath: %q would hide, or lie within, %s, which is the chart's: mount it elsewhere" $at $mount.mountPath .) }}
{{- end }}
{{- end }}
{{- if hasKey $seen $path }}
{{- $said = append $said (printf "%s.mountPath: %q is listed twice" $at $mount.mountPath) }}
{{- end }}
{{- $_ := set $seen $path true }}
{{- end }}
{{- toJson $said }}
{{- end }}

{{/* The URLs that the configuration names, by their places: projects and their proxies. */}}
{{- define "session-reaper.reached" -}}
{{- $found := dict }}
{{- range $name, $project := .Values.config.projects }}
{{- $_ := set $found (printf "config.projects.%s.endpoint" $name) $project.endpoint }}
{{- if contains "://" (default "" $project.proxy) }}
{{- $_ := set $found (printf "config.projects.%s.proxy" $name) $project.proxy }}
{{- end }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if and (has (upper .name) (list "HTTPS_PROXY" "HTTP_PROXY" "ALL_PROXY")) (contains "://" (default "" .value)) }}
{{- $_ := set $found (printf "extraEnv.%s" .name) .value }}
{{- end }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{/* Not '' when the network policy closes the way to the metadata service, which gives managed identities their tokens. */}}
{{- define "session-reaper.metadataClosed" -}}
{{- with .Values.networkPolicy }}
{{- if and .enabled (or (eq .flavor "cilium") (not .extraEgress)) }}yes{{ end }}
{{- end }}
{{- end }}

{{/* The ports that the way out needs: 443, and those that the URLs name; what is within the pod needs none. */}}
{{- define "session-reaper.egressPorts" -}}
{{- $ports := list 443 }}
{{- range include "session-reaper.reached" . | fromJson }}
{{- $authority := regexReplaceAll `^[a-zA-Z]+://([^/]*@)?([^/]*).*$` . "${2}" }}
{{- if not (include "session-reaper.loopback" (printf "%s:" $authority)) }}
{{- $usual := hasPrefix "http:" (lower .) | ternary "80" "443" }}
{{- $ports = append $ports (default $usual (regexFind ":[0-9]+$" $authority | trimPrefix ":") | int) }}
{{- end }}
{{- end }}
{{- $ports | uniq | toJson }}
{{- end }}

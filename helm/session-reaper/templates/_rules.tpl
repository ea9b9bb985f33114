{{/* The groups of files/alerts.yaml with the values applied. Call: (list $ $groups) */}}
{{- define "session-reaper.ruleGroups" -}}
{{- $root := index . 0 }}
{{- $values := $root.Values.prometheusRule }}
{{- $known := dict }}
{{- $groups := list }}
{{- range index . 1 }}
{{- $rules := list }}
{{- range .rules }}
{{- if .alert }}
{{- $_ := set $known .alert true }}
{{- if not (has .alert $values.disabled) }}
{{- $rules = append $rules (include "session-reaper.alert" (list $root .) | fromYaml) }}
{{- end }}
{{- else }}
{{- $rules = append $rules (include "session-reaper.narrowed" (list $root .) | fromYaml) }}
{{- end }}
{{- end }}
{{- if $rules }}
{{- $groups = append $groups (set (deepCopy .) "rules" $rules) }}
{{- end }}
{{- end }}
{{- $named := concat $values.disabled (keys $values.thresholds) (keys $values.for) (keys $values.severity) }}
{{- range $named | uniq | sortAlpha }}
{{- if not (hasKey $known .) }}
{{- fail (printf "prometheusRule: %q is none of the alerts (%s)" . (keys $known | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- toYaml $groups }}
{{- end }}

{{/* One alert with the values applied; a threshold is the first number the expression compares with. Call: (list $ $alert) */}}
{{- define "session-reaper.alert" -}}
{{- $root := index . 0 }}
{{- $values := $root.Values.prometheusRule }}
{{- $alert := deepCopy (index . 1) }}
{{- $name := $alert.alert }}
{{- if hasKey $values.thresholds $name }}
{{- $first := `(?s)^(.*?[<>]=?\s*(?:time\(\)\s*-\s*)?)[0-9][0-9.e+]*` }}
{{- if not (regexMatch $first $alert.expr) }}
{{- fail (printf "prometheusRule.thresholds.%s: the expression of this alert compares with no number" $name) }}
{{- end }}
{{- $_ := set $alert "expr" (regexReplaceAll $first $alert.expr (printf "${1}%s" (get $values.thresholds $name | toJson))) }}
{{- end }}
{{- with get $values.for $name }}{{ $_ := set $alert "for" . }}{{ end }}
{{- $labels := mergeOverwrite (default dict $alert.labels) (deepCopy $values.ruleLabels) }}
{{- with get $values.severity $name }}{{ $_ := set $labels "severity" . }}{{ end }}
{{- $_ := set $alert "labels" $labels }}
{{- if dig "annotations" "runbook_url" "" $alert }}
{{- $_ := set $alert.annotations "runbook_url" (include "session-reaper.runbook" (list $root $alert.annotations.runbook_url)) }}
{{- end }}
{{- include "session-reaper.narrowed" (list $root $alert) }}
{{- end }}

{{/* Where the runbooks are: on a site of the user's, or served by the reaper. */}}
{{- define "session-reaper.runbooks" -}}
{{- with .Values.prometheusRule.runbookUrl }}
{{- trimSuffix "/" . }}
{{- else }}
{{- printf "http://%s.%s.svc:%d/runbooks" (include "session-reaper.fullname" .) (include "session-reaper.namespace" .) (int .Values.service.port) }}
{{- end }}
{{- end }}

{{/* The runbook that an address ends with, where this release has it. Call: (list $ $address) */}}
{{- define "session-reaper.runbook" -}}
{{- $root := index . 0 }}
{{- $name := index . 1 | splitList "/" | last | trimSuffix ".md" }}
{{- printf "%s/%s%s" (include "session-reaper.runbooks" $root) $name (empty $root.Values.prometheusRule.runbookUrl | ternary "" ".md") }}
{{- end }}

{{/*
A rule that looks at this release only: the matchers stand in each selector of a metric of ours. What the release's own
rules make carries its name, so that the same alert of two releases is two. Call: (list $ $rule)
*/}}
{{- define "session-reaper.narrowed" -}}
{{- $root := index . 0 }}
{{- $rule := deepCopy (index . 1) }}
{{- with include "session-reaper.matchers" $root }}
{{- /* Recorded metrics have no labels but those that the rules keep. */}}
{{- $kept := regexFindAll `\b(namespace|release|job)(=~|!~|!=|=)"[^"]*"` . -1 | join "," }}
{{- $expr := regexReplaceAll `\bsession_reaper_[a-zA-Z0-9_:]+` $rule.expr "${0}{}" | replace "{}{" (printf "{%s," .) | replace "{}" (printf "{%s}" .) }}
{{- if $kept }}
{{- $expr = regexReplaceAll `\bsession_reaper:[a-zA-Z0-9_:]+` $expr "${0}{}" | replace "{}{" (printf "{%s," $kept) | replace "{}" (printf "{%s}" $kept) }}
{{- end }}
{{- $_ := set $rule "expr" $expr }}
{{- if eq $root.Values.prometheusRule.selector "auto" }}
{{- $own := dict "release" $root.Release.Name }}
{{- if $rule.record }}{{ $_ := set $own "namespace" (include "session-reaper.namespace" $root) }}{{ end }}
{{- $_ := set $rule "labels" (mergeOverwrite (default dict $rule.labels) $own) }}
{{- end }}
{{- end }}
{{- toYaml $rule }}
{{- end }}

{{/* The matchers of the rules, without braces; '' for rules that look at every release. */}}
{{- define "session-reaper.matchers" -}}
{{- $selector := .Values.prometheusRule.selector }}
{{- if ne $selector "auto" }}
{{- $selector | trimPrefix "{" | trimSuffix "}" | trim }}
{{- else if .Values.serviceMonitor.enabled }}
{{- printf "release=%q,namespace=%q" .Release.Name (include "session-reaper.namespace" .) }}
{{- end }}
{{- end }}

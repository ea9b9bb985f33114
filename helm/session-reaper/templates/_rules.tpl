{{/* The groups of files/alerts.yaml with the values applied. Call: (list $groups .Values.prometheusRule $late) */}}
{{- define "session-reaper.ruleGroups" -}}
{{- $values := index . 1 }}
{{- $late := index . 2 }}
{{- $known := dict }}
{{- $groups := list }}
{{- range index . 0 }}
{{- $rules := list }}
{{- range .rules }}
{{- if .alert }}
{{- $_ := set $known .alert true }}
{{- if not (has .alert $values.disabled) }}
{{- $rules = append $rules (include "session-reaper.alert" (list . $values $late) | fromYaml) }}
{{- end }}
{{- else }}
{{- $rules = append $rules . }}
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

{{/*
One alert with the values applied. Call: (list $alert .Values.prometheusRule $late). In the file, 2700 is three intervals
of 15 minutes; `$late` is three of those configured. A threshold is the first number the expression compares with.
*/}}
{{- define "session-reaper.alert" -}}
{{- $alert := deepCopy (index . 0) }}
{{- $values := index . 1 }}
{{- $name := $alert.alert }}
{{- with index . 2 }}
{{- $_ := set $alert "expr" (regexReplaceAll `\b2700\b` $alert.expr .) }}
{{- end }}
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
{{- if and $values.runbookUrl $alert.annotations }}
{{- $page := default $name $alert.annotations.runbook_url | splitList "/" | last }}
{{- $_ := set $alert.annotations "runbook_url" (printf "%s/%s" (trimSuffix "/" $values.runbookUrl) $page) }}
{{- end }}
{{- toYaml $alert }}
{{- end }}

{{/* Three intervals of the schedule in seconds; '' when they cannot be known. */}}
{{- define "session-reaper.late" -}}
{{- $schedule := default (dict "every" "15m") .Values.config.schedule }}
{{- $seconds := include "session-reaper.seconds" $schedule.every | int }}
{{- if $seconds }}{{ mul 3 $seconds }}{{ end }}
{{- end }}

{{/*
What the schema cannot say. Each refusal names the place and the reason; all of them at once.
*/}}
{{- define "session-reaper.refusals" -}}
{{- $said := concat
    (include "session-reaper.refusals.chart" . | fromJsonArray)
    (include "session-reaper.refusals.schedule" . | fromJsonArray)
    (include "session-reaper.refusals.projects" . | fromJsonArray)
    (include "session-reaper.refusals.policies" . | fromJsonArray)
    (include "session-reaper.refusals.quotas" . | fromJsonArray)
    (include "session-reaper.refusals.pod" . | fromJsonArray)
    (include "session-reaper.refusals.live" . | fromJsonArray) }}
{{- if $said }}
{{- fail (printf "\n\n%d mistake(s) in the values:\n- %s\n" (len $said) (join "\n- " $said)) }}
{{- end }}
{{- end }}

{{- define "session-reaper.refusals.projects" -}}
{{- $said := list }}
{{- $policies := default dict .Values.config.policies }}
{{- $closed := include "session-reaper.metadataClosed" . }}
{{- range $name, $project := .Values.config.projects }}
{{- $seen := dict }}
{{- range $i, $agent := $project.agents }}
{{- $at := printf "config.projects.%s.agents[%d]" $name $i }}
{{- if not (or (hasKey $policies $agent.policy) (contains "${" $agent.policy)) }}
{{- $said = append $said (printf "%s.policy: %q is none of the policies (%s)" $at $agent.policy (keys $policies | sortAlpha | join ", ")) }}
{{- end }}
{{- if hasKey $seen $agent.name }}
{{- $said = append $said (printf "%s.name: %q is listed twice" $at $agent.name) }}
{{- end }}
{{- $_ := set $seen $agent.name true }}
{{- end }}
{{- if not (contains "${" $project.endpoint) }}
{{- $at := printf "config.projects.%s" $name }}
{{- $host := (urlParse $project.endpoint).host }}
{{- $loopback := regexMatch `^(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?$` $host }}
{{- $platform := regexMatch `(?i)^([a-z0-9-]+\.)+services\.ai\.azure\.(com|us)(:[0-9]+)?$` $host }}
{{- if and (hasPrefix "http:" $project.endpoint) (not $loopback) }}
{{- $said = append $said (printf "%s.endpoint: %q sends tokens unencrypted: write https://; http:// is for loopback only" $at $project.endpoint) }}
{{- else if not (or $loopback $platform $project.trusted_host) }}
{{- $said = append $said (printf "%s.endpoint: %q is not one of the platform's hosts (*.services.ai.azure.com, *.services.ai.azure.us): mend the name, or set trusted_host: true beside it" $at $project.endpoint) }}
{{- end }}
{{- if and (eq (default "" $project.credential) "none") (not (or $loopback $project.trusted_host)) }}
{{- $said = append $said (printf "%s.credential: none is for loopback and trusted hosts only" $at) }}
{{- end }}
{{- end }}
{{- if and $closed (eq (default "" $project.credential) "managed-identity") }}
{{- $said = append $said (printf "config.projects.%s.credential: managed-identity asks 169.254.169.254, which the network policy does not let it reach: use workload-identity, open the way under networkPolicy.extraEgress (flavor kubernetes), or set networkPolicy.enabled: false" $name) }}
{{- end }}
{{- end }}
{{- toJson $said }}
{{- end }}

{{- define "session-reaper.refusals.policies" -}}
{{- $said := list }}
{{- range $name, $policy := .Values.config.policies }}
{{- $seen := dict }}
{{- if ge (include "session-reaper.seconds" $policy.grace | int) 2592000 }}
{{- $said = append $said (printf "config.policies.%s.grace: %q can never pass: the platform expires a session that is untouched for 30d" $name $policy.grace) }}
{{- end }}
{{- range $i, $rule := $policy.rules }}
{{- $at := printf "config.policies.%s.rules[%d]" $name $i }}
{{- if hasKey $seen $rule.name }}
{{- $said = append $said (printf "%s.name: %q is listed twice" $at $rule.name) }}
{{- end }}
{{- $_ := set $seen $rule.name true }}
{{- if and (ne $rule.action "keep") (not (or $rule.when.idle $rule.when.age $rule.when.expires_within)) }}
{{- $said = append $said (printf "%s.when: a %s rule needs idle, age or expires_within, or it would match everything" $at $rule.action) }}
{{- end }}
{{- $said = concat $said (include "session-reaper.refusals.times" (list $at $rule) | fromJsonArray) }}
{{- end }}
{{- end }}
{{- toJson $said }}
{{- end }}

{{- define "session-reaper.refusals.quotas" -}}
{{- $said := list }}
{{- $projects := default dict .Values.config.projects }}
{{- range $name, $quota := .Values.config.quotas }}
{{- with $quota.pressure }}
{{- if not (or (contains "${" (cat .above .until)) (lt (trimSuffix "%" .until | atoi) (trimSuffix "%" .above | atoi))) }}
{{- $said = append $said (printf "config.quotas.%s.pressure.until: %q is not below above, %s" $name .until .above) }}
{{- end }}
{{- end }}
{{- range $i, $project := $quota.projects }}
{{- if not (or (hasKey $projects $project) (contains "${" $project)) }}
{{- $said = append $said (printf "config.quotas.%s.projects[%d]: %q is none of the projects (%s)" $name $i $project (keys $projects | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $said }}
{{- end }}

{{- define "session-reaper.refusals.schedule" -}}
{{- $said := list }}
{{- $schedule := default (dict "every" "15m") .Values.config.schedule }}
{{- $every := include "session-reaper.seconds" $schedule.every | int }}
{{- if and $every (lt $every 10) }}
{{- $said = append $said (printf "config.schedule.every: %q is too often: write 10s or more" $schedule.every) }}
{{- end }}
{{- if and $every (ge (include "session-reaper.seconds" $schedule.jitter | int) $every) }}
{{- $said = append $said (printf "config.schedule.jitter: %q is not shorter than the interval, %s" $schedule.jitter $schedule.every) }}
{{- end }}
{{- with dig "audit" "keep" "" .Values.config }}
{{- if and (not (contains "${" .)) (lt (include "session-reaper.seconds" . | int) 604800) }}
{{- $said = append $said (printf "config.audit.keep: %q is too short: write 7d or more" .) }}
{{- end }}
{{- end }}
{{- toJson $said }}
{{- end }}

{{/* The times of one rule: the floors under them, and what the platform makes unreachable. Call: (list $at $rule) */}}
{{- define "session-reaper.refusals.times" -}}
{{- $said := list }}
{{- $at := index . 0 }}
{{- $rule := index . 1 }}
{{- $floor := get (dict "delete" 300 "stop" 60 "keep" 0) $rule.action | int }}
{{- range $key := list "idle" "age" "expires_within" }}
{{- $text := get $rule.when $key }}
{{- if and $text (not (contains "${" $text)) }}
{{- $seconds := include "session-reaper.seconds" $text | int }}
{{- if eq $seconds 0 }}
{{- $said = append $said (printf "%s.when.%s: %q is zero: write how long, as in 7d or 15m" $at $key $text) }}
{{- else if and (ne $key "expires_within") (lt $seconds $floor) }}
{{- $said = append $said (printf "%s.when.%s: %q is too short for a %s: write %dm or more" $at $key $text $rule.action (div $floor 60)) }}
{{- else if and (eq $key "idle") (ge $seconds 2592000) }}
{{- $said = append $said (printf "%s.when.idle: %q is never reached: the platform expires a session that is idle for 30d" $at $text) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $said }}
{{- end }}

{{/* A duration such as 1d12h in seconds; 0 for none, and for one that comes from the environment. */}}
{{- define "session-reaper.seconds" -}}
{{- $seconds := 0 }}
{{- if and . (not (contains "${" .)) }}
{{- range regexFindAll "[0-9]+[wdhms]" . -1 }}
{{- $length := sub (len .) 1 | int }}
{{- $unit := get (dict "w" 604800 "d" 86400 "h" 3600 "m" 60 "s" 1) (substr $length -1 .) }}
{{- $seconds = add $seconds (mul (substr 0 $length . | atoi) $unit) }}
{{- end }}
{{- end }}
{{- $seconds }}
{{- end }}

#!/usr/bin/env bash
# The settings of packaging/aks.sh: what they are, what they may be, and their defaults. Read by it, not run.
# shellcheck disable=SC2034  # they are used there

readonly FOUNDRY_USER=53ca6127-db72-4b80-b1b0-d745d6d5456d AGENT_CONSUMER=eed3b665-ab3a-47b6-8f48-c9382fb1dad6

usage() {
  cat <<'END'
packaging/aks.sh [--dry-run] [--help]

Installs session-reaper on an AKS cluster, observing. It asks Azure and the cluster as whoever `az` is signed in as,
and changes no kubeconfig of yours. --dry-run looks, and prints what it would change.

Needed, in the environment:
  RESOURCE_GROUP      of the cluster
  CLUSTER             its name
  PROJECT_ID          resource id of the Foundry project: /subscriptions/…/accounts/ACCOUNT/projects/PROJECT
  IMAGE or REGISTRY   an image to pull, as host/path:tag or host/path@sha256:…; or the name of a container registry
                      of Azure, in which the image is built and from which the cluster is then let pull

With defaults:
  NAMESPACE           agents
  RELEASE             night
  IDENTITY            session-reaper: the managed identity, in RESOURCE_GROUP
  ROLE                the id of Foundry User; or the name of a role of your own
  ENDPOINT            https://ACCOUNT.services.ai.azure.com/api/projects/PROJECT
  AGENTS              *: which hosted agents are looked after
  VALUES              none: a file of values for the chart with a `config` of your own, instead of the first one here
  TAG                 the version: of the image that REGISTRY builds
  CANARY_AGENT        none: the agent that a second identity keeps a session of, for must_see
  CANARY_SESSION      canary-000001
  CANARY_IDENTITY     session-reaper-canary
  CANARY_ROLE         the id of Foundry Agent Consumer
  MONITORING          none; operator: by the Prometheus operator; managed: by Azure's managed Prometheus
  PROMETHEUS_RELEASE  none: with operator, the Helm release of kube-prometheus-stack
  WORKSPACE_ID        with managed, the resource id of the Azure Monitor workspace
  ACTION_GROUP_ID     none: with managed, the action group that alerts tell
END
}

settings() {
  : "${RESOURCE_GROUP:=}" "${CLUSTER:=}" "${PROJECT_ID:=}" "${IMAGE:=}" "${REGISTRY:=}" "${VALUES:=}"
  : "${NAMESPACE:=agents}" "${RELEASE:=night}" "${IDENTITY:=session-reaper}" "${ROLE:=$FOUNDRY_USER}" "${AGENTS:=*}"
  : "${CANARY_AGENT:=}" "${CANARY_SESSION:=canary-000001}" "${CANARY_IDENTITY:=session-reaper-canary}"
  : "${CANARY_ROLE:=$AGENT_CONSUMER}" "${MONITORING:=none}" "${PROMETHEUS_RELEASE:=}" "${WORKSPACE_ID:=}"
  : "${ACTION_GROUP_ID:=}" "${TAG:=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$ROOT/reaper/__init__.py")}"
  needed
  : "${ENDPOINT:=https://$(part accounts).services.ai.azure.com/api/projects/$(part projects)}"
  optional
  full=$RELEASE
  [[ $RELEASE == *session-reaper* ]] || full=$RELEASE-session-reaper
}

readonly GROUP='[[:alnum:]_.()-]+' LABEL='[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?' WORD='[[:alnum:]][[:alnum:]_.-]*'
readonly PROVIDERS="/subscriptions/$WORD/resource[gG]roups/$GROUP/providers"

needed() {
  must RESOURCE_GROUP "$GROUP" "the resource group of the cluster"
  must CLUSTER '[[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?' "the name of the cluster"
  must PROJECT_ID "$PROVIDERS/Microsoft.CognitiveServices/accounts/$WORD/projects/$WORD" \
    "/subscriptions/…/resourceGroups/…/providers/Microsoft.CognitiveServices/accounts/ACCOUNT/projects/PROJECT"
  [[ -n $IMAGE || -n $REGISTRY ]] || wrong "neither IMAGE nor REGISTRY is set: name one of them"
  [[ -z $IMAGE || -z $REGISTRY ]] || wrong "IMAGE and REGISTRY are both set: name the image, or let it be built"
  must IMAGE '([a-z0-9][[:alnum:]._:/-]*(@sha256:[0-9a-f]{64})?)?' "an image, as host/path:tag or host/path@sha256:…"
  must REGISTRY '([[:alnum:]]{5,50})?' "the name of a container registry of Azure, without its domain"
}

optional() {
  must TAG '[[:alnum:]_][[:alnum:]_.-]*' "a tag of an image"
  must NAMESPACE "$LABEL" "a namespace of Kubernetes"
  must RELEASE "$LABEL" "a name for the Helm release, of at most 48 characters"
  must IDENTITY "$WORD" "a name for a managed identity"
  must CANARY_IDENTITY "$WORD" "a name for a managed identity"
  [[ $IDENTITY != "$CANARY_IDENTITY" ]] ||
    wrong "CANARY_IDENTITY is IDENTITY: a caller is always shown its own sessions, so it would prove nothing; name another"
  must ROLE '[[:alnum:]][[:alnum:] _.-]*' "the id or the name of a role"
  must CANARY_ROLE '[[:alnum:]][[:alnum:] _.-]*' "the id or the name of a role"
  must ENDPOINT "https://[[:alnum:].-]+/api/projects/$WORD" "https://ACCOUNT.services.ai.azure.com/api/projects/PROJECT"
  must AGENTS '[[:alnum:]*?_.-]+' "the name of an agent, or a pattern such as support-*"
  must CANARY_AGENT "($WORD)?" "the name of an agent"
  must CANARY_SESSION '[[:alnum:]_-]{8,128}' "a session's id: 8 to 128 letters, digits, _ and -"
  must MONITORING 'none|operator|managed' "none, operator or managed"
  must PROMETHEUS_RELEASE "($LABEL)?" "the Helm release of kube-prometheus-stack"
  must WORKSPACE_ID "($PROVIDERS/[mM]icrosoft.[mM]onitor/accounts/$WORD)?" \
    "/subscriptions/…/resourceGroups/…/providers/Microsoft.Monitor/accounts/WORKSPACE"
  [[ $MONITORING != managed || -n $WORKSPACE_ID ]] ||
    wrong "MONITORING is managed and WORKSPACE_ID is not set: name the workspace by its resource id"
  must ACTION_GROUP_ID "($PROVIDERS/[mM]icrosoft.[iI]nsights/action[gG]roups/[^/[:cntrl:]]+)?" \
    "/subscriptions/…/resourceGroups/…/providers/Microsoft.Insights/actionGroups/GROUP"
  [[ -z $VALUES || -r $VALUES ]] ||
    wrong "VALUES is '$VALUES', expected a file that can be read: write its path, or leave it out"
}

must() {  # NAME PATTERN EXPECTED
  local pattern="^($2)$"
  [[ ${!1} =~ $pattern ]] || wrong "$1 is '${!1}', expected $3: set it in the environment (--help lists all)"
}

part() {  # what follows a word in PROJECT_ID
  local rest=${PROJECT_ID#*/"$1"/}
  printf '%s' "${rest%%/*}"
}

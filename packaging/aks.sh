#!/usr/bin/env bash
# From nothing to a reaper that observes, on AKS: what docs/aks.md does by hand, in one go.
#
# Each step looks before it makes anything: a run that died goes on where it was, and a second run makes nothing anew.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly ROOT ACR_PULL=7f951dda-4ed3-4680-a7ca-43fe172d538d
readonly AGAIN="Put right what it says above, and run this again: what was done is found and kept."
dry=no issuer='' client='' principal='' image='' location=''

say() { printf '== %s\n' "$*"; }
stop() { printf 'aks.sh: %s\n' "$*" >&2; exit "${code:-1}"; }
wrong() { code=2 stop "$@"; }
shown() { local text; printf -v text ' %q' "$@"; printf '%s' "${text:1}"; }

look() {  # NAME COMMAND…: what it says, into the variable; it changes nothing
  local into=$1 seen
  shift
  seen=$("$@") || stop "could not look with: $(shown "$@")"$'\n'"$AGAIN"
  printf -v "$into" '%s' "$seen"
}

run() {  # a change
  printf '%s\n' "$(shown "$@")"
  [[ $dry == yes ]] || "$@" || stop "could not: $(shown "$@")"$'\n'"$AGAIN"
}

# shellcheck source=packaging/aks/settings.sh
source "$ROOT/packaging/aks/settings.sh"

tools() {
  local tool version who where found
  for tool in az kubectl helm; do
    command -v "$tool" >/dev/null || wrong "$tool is not installed, or not on PATH: it is needed"
  done
  look version helm version --short
  [[ $version =~ ^v(3\.(1[89]|[2-9][0-9])|[4-9])(\.|$) ]] ||
    wrong "helm is $version, and the chart needs 3.18 or newer: install a newer one"
  look who az account show --query user.name --output tsv
  look where az account show --query name --output tsv
  say "as $who, in the subscription $where"
  look found az resource show --ids "$PROJECT_ID" --query id --output tsv
  [[ $MONITORING != managed ]] || look location az resource show --ids "$WORKSPACE_ID" --query location --output tsv
}

reach() {  # by a kubeconfig of its own: whatever yours points at, this goes to CLUSTER
  local group=monitoring.coreos.com more="install the Prometheus operator first" found
  export KUBECONFIG=$work/kubeconfig
  look found az aks get-credentials --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" --file "$KUBECONFIG"
  if [[ $MONITORING != none ]]; then
    [[ $MONITORING == operator ]] || group=azmonitoring.coreos.com more="enable its add-on first, as docs/aks.md says"
    look found kubectl get crd "servicemonitors.$group" --ignore-not-found --output name
    [[ -n $found ]] ||
      wrong "MONITORING is $MONITORING, and the cluster has no servicemonitors.$group: $more, or set it to none"
  fi
  look found kubectl get namespace "$NAMESPACE" --ignore-not-found --output name
  [[ -n $found ]] || run kubectl create namespace "$NAMESPACE"
}

cluster() {
  say "cluster $CLUSTER: OIDC issuer and workload identity"
  local here=(--resource-group "$RESOURCE_GROUP" --name "$CLUSTER") enabled
  look enabled az aks show "${here[@]}" --output tsv \
    --query '[oidcIssuerProfile.enabled, securityProfile.workloadIdentity.enabled]'
  [[ $enabled == $'true\ntrue' ]] ||
    run az aks update "${here[@]}" --enable-oidc-issuer --enable-workload-identity --output none
  look issuer az aks show "${here[@]}" --query oidcIssuerProfile.issuerUrl --output tsv
  [[ -n $issuer || $dry == no ]] || issuer=ISSUER-OF-$CLUSTER
  [[ -n $issuer ]] || stop "the cluster $CLUSTER does not name its OIDC issuer yet: run this again in some minutes"
}

identity() {  # NAME SERVICE_ACCOUNT: sets client and principal
  say "identity $1, for the service account $2"
  local found query="[?name=='$1'].[clientId, principalId]"
  look found az identity list --resource-group "$RESOURCE_GROUP" --query "$query" --output tsv
  if [[ -z $found ]]; then
    run az identity create --resource-group "$RESOURCE_GROUP" --name "$1" --output none
    [[ $dry == yes ]] || look found az identity list --resource-group "$RESOURCE_GROUP" --query "$query" --output tsv
    [[ -n $found || $dry == yes ]] || stop "the identity $1 was made and is not listed yet: run this again in a minute"
  fi
  IFS=$'\t' read -r client principal <<<"${found:-"CLIENT-OF-$1"$'\t'"PRINCIPAL-OF-$1"}"
  federation "$1" "system:serviceaccount:$NAMESPACE:$2" "${found:+listed}"
}

federation() {  # IDENTITY SUBJECT LISTED
  local of=(--resource-group "$RESOURCE_GROUP" --identity-name "$1")
  local credential=$CLUSTER-$NAMESPACE verb=create trusted=''
  [[ -z $3 ]] || look trusted az identity federated-credential list "${of[@]}" --output tsv \
    --query "[?name=='$credential'].[issuer, subject]"
  [[ $trusted != "$issuer"$'\t'"$2" ]] || return 0
  if [[ -n $trusted ]]; then
    [[ ${trusted#*$'\t'} == "$2" ]] ||
      wrong "the identity $1 trusts ${trusted#*$'\t'} by its credential $credential, expected $2: name another identity"
    verb=update
  fi
  run az identity federated-credential "$verb" "${of[@]}" --name "$credential" --issuer "$issuer" --subject "$2" \
    --audiences api://AzureADTokenExchange --output none
}

role() {  # PRINCIPAL ROLE SCOPE
  say "role $2 on ${3##*/}"
  local found=''
  local of=(--role "$2" --scope "$3" --assignee-object-id "$1")
  [[ $1 == PRINCIPAL-OF-* ]] ||
    look found az role assignment list "${of[@]}" --include-inherited --fill-principal-name false --query '[].id' --output tsv
  [[ -n $found ]] || run az role assignment create "${of[@]}" --assignee-principal-type ServicePrincipal --output none
}

image() {  # sets image, as host/path:tag or host/path@digest
  image=$IMAGE
  [[ -n $REGISTRY ]] || return 0
  say "image session-reaper:$TAG in the registry $REGISTRY"
  local server registry kubelet digest
  look server az acr show --name "$REGISTRY" --query loginServer --output tsv
  look registry az acr show --name "$REGISTRY" --query id --output tsv
  look kubelet az aks show --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" --output tsv \
    --query identityProfile.kubeletidentity.objectId
  [[ -n $kubelet ]] ||
    wrong "the cluster $CLUSTER has no kubelet identity that could be let pull: let it pull by hand, and set IMAGE instead"
  has_tag || run az acr build --registry "$REGISTRY" --image "session-reaper:$TAG" "$ROOT"
  role "$kubelet" "$ACR_PULL" "$registry"
  image=$server/session-reaper:$TAG
  has_tag || return 0  # a dry run
  look digest az acr repository show --name "$REGISTRY" --image "session-reaper:$TAG" --query digest --output tsv
  image=$server/session-reaper@$digest
}

has_tag() {
  local found
  look found az acr repository list --name "$REGISTRY" --output tsv
  [[ $'\n'$found$'\n' == *$'\nsession-reaper\n'* ]] || return 1
  look found az acr repository show-tags --name "$REGISTRY" --repository session-reaper --output tsv
  [[ $'\n'$found$'\n' == *$'\n'"$TAG"$'\n'* ]]
}

canary() {
  if [[ -z $CANARY_AGENT ]]; then
    say "no canary, since CANARY_AGENT is not set: a role that is lost shows only where sessions vanish"
    return 0
  fi
  identity "$CANARY_IDENTITY" canary
  role "$principal" "$CANARY_ROLE" "$PROJECT_ID"
  local text found
  text=$(<"$ROOT/packaging/aks/canary.yaml")
  text=${text//CANARY_CLIENT_ID/$client}
  text=${text//PROJECT_ENDPOINT/$ENDPOINT}
  text=${text//REAPER_IMAGE/$image}
  text=${text//CANARY_AGENT/$CANARY_AGENT}
  printf '%s\n' "${text//CANARY_SESSION/$CANARY_SESSION}" >"$work/canary.yaml"
  run kubectl apply --namespace "$NAMESPACE" --filename "$work/canary.yaml"
  look found kubectl get job canary-first --namespace "$NAMESPACE" --ignore-not-found --output name
  [[ -n $found ]] || run kubectl create job canary-first --namespace "$NAMESPACE" --from=cronjob/canary
}

install() {
  say "release $RELEASE in the namespace $NAMESPACE"
  local command=(helm upgrade --install "$RELEASE" "$ROOT/helm/session-reaper" --namespace "$NAMESPACE")
  values >"$work/values.yaml"
  if [[ -n $VALUES ]]; then
    command+=(--values "$VALUES")
  elif installed; then
    command+=(--reset-then-reuse-values)
  else
    first_configuration >>"$work/values.yaml"
  fi
  run "${command[@]}" --values "$work/values.yaml"
  [[ $dry == no ]] || sed 's/^/    /' "$work/values.yaml"
  run kubectl rollout status "deployment/$full" --namespace "$NAMESPACE" --timeout=300s
}

installed() {  # whether the release is there: its own configuration is kept then
  local said
  if said=$(helm status "$RELEASE" --namespace "$NAMESPACE" 2>&1); then return 0; fi
  [[ $said == *"not found"* ]] || stop "could not look at the release $RELEASE: $said"$'\n'"$AGAIN"
  return 1
}

values() {
  local repository=${image%%@*} digest='' tag='' labels=${PROMETHEUS_RELEASE:+"release: \"$PROMETHEUS_RELEASE\""}
  [[ $image != *@* ]] || digest=${image#*@}
  [[ ${repository##*/} != *:* ]] || { tag=${repository##*:}; repository=${repository%:*}; }
  printf 'image: {repository: "%s", tag: "%s", digest: "%s"}\n' "$repository" "$tag" "$digest"
  printf 'azure: {workloadIdentity: {enabled: true, clientId: "%s"}}\n' "$client"
  case $MONITORING in
    operator)
      printf '%s: {enabled: true, labels: {%s}}\n' serviceMonitor "$labels" prometheusRule "$labels"
      printf 'grafanaDashboard: {enabled: true}\n' ;;
    managed) printf 'serviceMonitor: {enabled: true, apiVersion: azmonitoring.coreos.com/v1}\n' ;;
  esac
}

first_configuration() {
  cat <<END
config:
  version: 1
  projects:
    "$(part projects)":
      endpoint: $ENDPOINT
      credential: workload-identity
      must_see: [${CANARY_AGENT:+"\"$CANARY_SESSION\""}]
      agents: [{name: "$AGENTS", policy: standard}]
  policies:
    standard:
      mode: observe
      rules:
        - {name: canary, action: keep, when: {id: "$CANARY_SESSION"}}
        - {name: idle-a-week, action: delete, when: {idle: 7d}}
END
}

alerts() {
  [[ $MONITORING == managed ]] || return 0
  say "alerts in the workspace ${WORKSPACE_ID##*/}, for the cluster $CLUSTER"
  run az deployment group create --resource-group "$RESOURCE_GROUP" --name "session-reaper-$CLUSTER" \
    --template-file "$ROOT/packaging/aks/managed-prometheus.json" --output none --parameters \
    "azureMonitorWorkspaceId=$WORKSPACE_ID" "clusterName=$CLUSTER" "location=$location" \
    "actionGroupId=$ACTION_GROUP_ID"
}

main() {
  local option
  for option in "$@"; do
    case $option in
      --dry-run) dry=yes ;;
      --help | -h) usage; exit 0 ;;
      *) wrong "'$option' is no option: there are --dry-run and --help; all else is set in the environment" ;;
    esac
  done
  settings
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  tools
  reach
  cluster
  image
  canary
  identity "$IDENTITY" "$full"
  role "$principal" "$ROLE" "$PROJECT_ID"
  install
  alerts
  say "done. Look: kubectl --namespace $NAMESPACE exec deployment/$full -- reaper config check --online"
}

main "$@"

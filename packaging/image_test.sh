#!/usr/bin/env bash
# Builds the image for real and runs it as the chart does, on a machine without container engine or registry.
#
# The two bases are made by image_bases.sh of the packages that the published ones hold, and put in for those that FROM
# names. Everything else is the Dockerfile as it stands. Needs root; keeps nothing but the figures.
# Exit codes: 0 passed; 77 not run, since a tool or a right is missing; else failed.
set -euo pipefail

cd "$(dirname "$0")/.."
# Deadlines end what hangs; how long things take is told, and decides nothing.
readonly SIZE_MAX_MB=150 DEADLINE_S=300 OWNER=65532

export PATH="$PATH:$PWD/.venv/bin:$PWD/.tools/release/bin"
missing=()
for tool in buildah podman runc apt-get dpkg-deb curl hadolint python3; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]})); then
  echo "not run: the image, for want of ${missing[*]}" >&2
  echo "Debian: apt-get install buildah podman runc curl; hadolint: make .tools/release/ready" >&2
  exit 77
fi
((EUID == 0)) || { echo "not run: the image, which needs root for its container storage" >&2; exit 77; }

work=$(mktemp -d -t image-test.XXXXXX)
store=(--root "$work/storage" --runroot "$work/run" --storage-driver overlay)
# As many as any machine allows: a sandboxed root may not raise what podman would set.
limits=(--ulimit nofile=4096:4096 --ulimit nproc=4096:4096)
started=()

podman() { timeout "$DEADLINE_S" podman "${store[@]}" --runtime runc --cgroup-manager cgroupfs "$@"; }
buildah() { command buildah "${store[@]}" "$@"; }
say() { printf '== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
now() { date +%s.%N; }
since() { python3 -c 'import sys, time; print(f"{time.time() - float(sys.argv[1]):.1f}")' "$1"; }
get() { curl --silent --fail --noproxy '*' --max-time 5 "$1"; }
free_port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

clean_up() {
  local code=$? name
  trap - EXIT
  for name in "${started[@]}"; do
    ((code == 0)) || podman logs --tail 20 "$name" >&2 2>/dev/null || true
    podman rm --force --time 0 "$name" >/dev/null 2>&1 || true
  done
  podman image unmount --all >/dev/null 2>&1 || true
  umount "$work/storage/overlay" 2>/dev/null || true
  # Never into something still mounted: a base under construction has /proc.
  if grep -q " $work/" /proc/mounts; then
    echo "still mounted, left in place: $work" >&2
  else
    rm -rf "$work"
  fi
  exit "$code"
}
trap clean_up EXIT

until_true() {  # CONTAINER WHAT COMMAND...
  local end=$((SECONDS + DEADLINE_S)) name=$1 what=$2
  shift 2
  until "$@"; do
    [[ $(podman inspect --format '{{.State.Status}}' "$name") == running ]] || fail "$name ended, in vain for: $what"
    ((SECONDS < end)) || fail "$name: no $what in $DEADLINE_S s"
    sleep 0.1
  done
}
answers() { get "$1" >/dev/null; }

say "hadolint"
hadolint Dockerfile

say "bases"
mapfile -t bases < <(sed -nE 's/^FROM ([^ ]+).*/\1/p' Dockerfile)
((${#bases[@]} == 2)) || fail "two bases expected in the Dockerfile: ${bases[*]}"
install -d "$work/bases"
packaging/image_bases.sh "$work/bases"
podman import --quiet "$work/bases/BUILD.tar" localhost/build >/dev/null
podman import --quiet --change "USER=$OWNER" --change ENV=LANG=C.UTF-8 "$work/bases/RUN.tar" localhost/run >/dev/null
rm -rf "$work/bases"
sed -E "s|${bases[0]}|localhost/build|; s|${bases[1]}|localhost/run|" Dockerfile >"$work/Dockerfile"
asked=(podman run --rm --network none "${limits[@]}" localhost/run python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
python=$("${asked[@]}" 2>"$work/podman.log") || {
  echo "not run: the image, since this machine lets no container run: $(tail -1 "$work/podman.log")" >&2
  exit 77
}

say "wheels for Python $python, through this machine's pip"
for architecture in x86_64 aarch64; do
  platforms=()
  for one in manylinux2014 manylinux_2_17 manylinux_2_28 manylinux_2_34; do platforms+=(--platform "${one}_$architecture"); done
  install -d "$work/$architecture"
  for lock in requirements.lock requirements-build.lock; do
    python3 -m pip download -qq --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
      --python-version "$python" "${platforms[@]}" --dest "$work/$architecture" --requirement "$lock"
  done
  say "the locks have wheels for $architecture"
done
mv "$work/$(uname -m)" "$work/wheels"

say "build"
begun=$(now)
buildah build --quiet --format docker --isolation chroot --pull=never --network host --volume "$work/wheels:/mnt:ro" \
  --file "$work/Dockerfile" --tag session-reaper:test . >"$work/build.log" 2>&1 || { tail -30 "$work/build.log" >&2; fail "build"; }
build_s=$(since "$begun")

say "what is in it"
look() { podman image inspect --format "$1" "$2"; }
base_bytes=$(look '{{.Size}}' localhost/run)
size_mb=$((($(look '{{.Size}}' session-reaper:test) - base_bytes) / 1000000))
((size_mb < SIZE_MAX_MB)) || fail "our layers take $size_mb MB, $SIZE_MAX_MB are allowed"
[[ $(look '{{.Config.User}}' session-reaper:test) == "$OWNER:$OWNER" ]] || fail "the user is not $OWNER"
[[ $(look '{{json .Config.Entrypoint}}{{json .Config.Cmd}}' session-reaper:test) == '["reaper"]["run"]' ]] \
  || fail "the command is not reaper run"
for label in title description licenses; do
  [[ -n $(look "{{index .Config.Labels \"org.opencontainers.image.$label\"}}" session-reaper:test) ]] \
    || fail "no label $label"
done
image=$(podman image mount session-reaper:test)
found=$(
  find "$image" -xdev \( -path '*-packages/pip' -o -path '*-packages/pip-*' -o -path '*-packages/setuptools' \
    -o -path '*/bin/pip*' -o -path '*/bin/sh' -o -path '*/bin/*ash' -o -path '*/bin/apt*' -o -path '*/bin/dpkg*' -o -path '*/bin/gcc*' -o -path '*/bin/cc' -o -path '*/bin/ld' -o -path '*/bin/make' \
    -o -path '*/.cache' -o -path '*/var/lib/apt/lists/*' -o -path '*/var/cache/apt/*' \)
  find "$image"/{src,build,wheels,state,mnt,root,tmp} -mindepth 1 ! -name '.bashrc' ! -name '.profile' 2>/dev/null || true
  find "$image/opt/reaper" ! -type l \( -perm /6002 -o ! -user root \)
)
[[ -z $found ]] || fail "has no business in the image: ${found//$image/}"
podman image unmount session-reaper:test >/dev/null

say "run"
reaper_port=$(free_port) emulator_port=$(free_port)
root="http://127.0.0.1:$emulator_port" served="http://127.0.0.1:$reaper_port"
install -d "$work/config"
install -d -o "$OWNER" -g "$OWNER" -m 0700 "$work/state"
cat >"$work/config/reaper.yaml" <<YAML
version: 1
schedule: {every: 1h, jitter: 0s}
projects:
  here:
    endpoint: $root/api/projects/emulated
    credential: none
    agents: [{name: "*", policy: week}]
policies:
  week:
    mode: enforce
    grace: 0s
    rules: [{name: idle-a-week, action: delete, when: {idle: 7d}}]
    limits: {per_sweep: 100%, per_day: 100%}
YAML
chmod -R a+rX "$work/config" && chmod a+x "$work"

confined=(--no-healthcheck --network host --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges
  "${limits[@]}")
mounted=(--volume "$work/config:/etc/reaper:ro" --volume "$work/state:/var/lib/reaper")
start() {  # NAME OPTIONS... IMAGE COMMAND...
  local name=$1
  shift
  started+=("$name")
  podman run --detach --name "$name" "${confined[@]}" "$@" >/dev/null
}
inside() { podman run --rm "${confined[@]}" "${mounted[@]}" "$@"; }
reaper() { start "$1" "${mounted[@]}" --env "REAPER_LISTEN=127.0.0.1:$reaper_port" session-reaper:test; }
# What the platform knows of deletes: how many sessions, how many of them twice, how many without an entry in the record.
deleted() {
  get "$root/_emulator/history" >"$work/history.json"
  python3 - "$work/history.json" "$work/record.json" "$1" <<'PYTHON'
import collections, json, sys
from pathlib import Path
history, record = (json.loads(Path(name).read_text()) if Path(name).exists() else [] for name in sys.argv[1:3])
gone = collections.Counter((event["agent"], event["session"]) for event in history if event["kind"] == "deleted")
told = {(entry.get("agent"), entry.get("session")) for entry in record["entries"]} if record else set()
print({"all": len(gone), "twice": sum(n - 1 for n in gone.values()), "untold": len(set(gone) - told)}[sys.argv[3]])
PYTHON
}
read_record() { inside session-reaper:test audit show --limit 0 --output json >"$work/record.json"; }
swept() { (($(get "$served/metrics" | grep -c '^session_reaper_sweeps_total{') >= 3)) && (($(deleted all) > 0)); }
stop() {  # NAME; sets stop_s
  local begun code
  begun=$(now)
  podman kill --signal TERM "$1" >/dev/null
  code=$(podman wait --interval 50ms "$1") || fail "$1 does not end on SIGTERM"
  stop_s=$(since "$begun")
  [[ $code == 0 ]] || fail "exit code $code after SIGTERM"
}

start emulator session-reaper:test emulator --listen "127.0.0.1:$emulator_port" --sessions 60
until_true emulator "answer of the emulator" answers "$root/_emulator/requests"

begun=$(now)
reaper first
until_true first "answer of /readyz" answers "$served/readyz"
ready_s=$(since "$begun")
pid=$(podman inspect --format '{{.State.Pid}}' first)
[[ $(awk '/^Uid:/ {print $2 $3 $4 $5}' "/proc/$pid/status") == "$OWNER$OWNER$OWNER$OWNER" ]] || fail "runs as another user"
[[ $(awk '/^CapEff:/ {print $2}' "/proc/$pid/status") =~ ^0+$ ]] || fail "has capabilities"
grep -q '^NoNewPrivs:[[:space:]]*1' "/proc/$pid/status" || fail "may gain privileges"
! podman exec first python -c 'open("/opt/reaper/x", "w")' 2>/dev/null || fail "the root can be written"
podman exec first reaper plan --agent support-eu >/dev/null || (($? == 10)) || fail "no plan by kubectl exec's way"
refused=$(podman exec first reaper mcp 2>&1) && fail "reaper mcp has what it needs, so the image carries too much"
[[ $refused == *"pip install 'session-reaper[mcp]'"* ]] || fail "reaper mcp says: $refused"
until_true first "sweep of each agent, and a delete" swept
memory_mb=$(awk '/^VmHWM:/ {print int($2 / 1024)}' "/proc/$pid/status")
stop first
first_stop_s=$stop_s
read_record
done_first=$(deleted all)
[[ $(deleted untold) == 0 ]] || fail "the record does not tell of $(deleted untold) of $done_first deletes"

say "run again"
begun=$(now)
reaper second
until_true second "answer of /readyz" answers "$served/readyz"
again_s=$(since "$begun")
until_true second "sweep of each agent" swept
stop second
read_record
done_both=$(deleted all)
[[ $(deleted twice) == 0 ]] || fail "a session was deleted twice"
[[ $(deleted untold) == 0 ]] || fail "the record does not tell of $(deleted untold) of $done_both deletes"
inside session-reaper:test audit verify

cat <<FIGURES

image test passed
  build                        $build_s s (Python $python)
  size                         $((base_bytes / 1000000)) MB of the base, $size_mb MB of our own
  start to ready               $ready_s s, again $again_s s
  deletes                      $done_first, then $((done_both - done_first)), none twice
  memory at most               $memory_mb MB
  SIGTERM to exit code 0       $first_stop_s s, $stop_s s
FIGURES

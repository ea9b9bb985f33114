#!/usr/bin/env bash
# Builds wheel and source package with the locked tools, the same bytes each time, and writes a bill of materials
# (CycloneDX) of the wheel with what is locked for it.
#   packages.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1
make --silent .tools/release/ready
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/build"
"$work/build/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement requirements-build.lock
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) "$work/build/bin/hatchling" build -d "$folder"

python3 -m venv --without-pip "$work/bare"
pip=("$work/build/bin/pip" --python "$work/bare" install --quiet --disable-pip-version-check)
"${pip[@]}" --require-hashes --requirement requirements.lock
"${pip[@]}" --no-deps "$folder"/*.whl
wheel=$(basename "$folder"/*.whl)
bill=$folder/${wheel%-py3-none-any.whl}.cdx.json
.tools/release/bin/cyclonedx-py environment "$work/bare" --pyproject pyproject.toml --mc-type application \
  --output-reproducible --output-format JSON --output-file "$bill"
# The tool reads no version that is kept outside of pyproject.toml.
"$work/bare/bin/python" - "$bill" <<'PYTHON'
import json, pathlib, sys
from reaper import __version__
bill = json.loads(pathlib.Path(sys.argv[1]).read_text())
bill["metadata"]["component"]["version"] = __version__
pathlib.Path(sys.argv[1]).write_text(json.dumps(bill, indent=2) + "\n")
PYTHON

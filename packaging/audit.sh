#!/usr/bin/env bash
# Judges every locked package by the known vulnerabilities. One that could not be judged is a failure like one that has a
# vulnerability: --strict. What is known to be harmless here would be ignored by id, in this file, with the reason.
#   audit.sh [PIP_AUDIT]
set -euo pipefail
cd "$(dirname "$0")/.."

code=0
for lock in requirements*.lock; do
  echo "== $lock"
  "${1:-pip-audit}" --strict --progress-spinner off --disable-pip --require-hashes --requirement "$lock" || code=1
done
exit "$code"

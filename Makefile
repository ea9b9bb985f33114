# Two commands to know: `make demo` and `make test`. Both set up what they need in .venv.
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2
TOOLS := .tools/release
LOCK := $(TOOLS)/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header $(ARGS)

.PHONY: help setup demo test test-long soak mutants bench live image-test check format generate lock audit clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 12

setup: .venv/ready  ## make .venv with the locked dependencies

.venv/ready: requirements-dev.lock requirements-helm.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	# It asks for Python 3.12 and runs on 3.11, too.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --ignore-requires-python -r requirements-helm.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup  ## see it work: emulator, two sweeps, a table of what was done and why
	$(BIN)/reaper demo $(ARGS)

test: setup  ## run the tests, all but the long ones: about five minutes on two cores
	$(BIN)/pytest -n $(JOBS) -m "not long" $(ARGS)

test-long: setup  ## run the long ones: a browser, assistants, commands and daemons as processes, a chart in a cluster, days of alerts, more histories
	$(BIN)/pytest -n $(JOBS) -m long $(ARGS)

soak: setup  ## seeded histories on all cores until stopped, or ARGS="--for 1h": histories, sweeps, violations
	PYTHONPATH=. $(BIN)/python -m tests.sim.soak $(ARGS)

mutants: setup  ## take each guard away in turn: the simulator, or the test named, must see the loss
	$(BIN)/pytest -n $(JOBS) tests/sim/test_mutants.py tests/scenarios/test_scenario_mutants.py tests/web/test_access_mutants.py tests/mcp/test_mcp_mutants.py $(ARGS)

bench: setup  ## measure speed and memory beside what people use today (some minutes; ARGS="--keep cpu deletes")
	PYTHONPATH=. $(BIN)/python -m tests.bench $(ARGS)

live: setup  ## a live Prometheus and Alertmanager on the real thing (needs Debian's prometheus, prometheus-alertmanager)
	$(BIN)/python -m monitoring.live_test $(ARGS)

image-test: $(TOOLS)/ready  ## build the image and run it as the chart does (needs root, buildah, podman, runc, curl)
	packaging/image_test.sh

check: setup  ## format, lint, types, layers, generated files current
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy monitoring
	$(BIN)/mypy packaging
	$(BIN)/lint-imports
	$(BIN)/reaper config schema | diff - config/reaper.schema.json
	$(BIN)/python helm/generate.py --check
	$(BIN)/python -m monitoring.dashboard --check
	$(BIN)/python -m monitoring.managed --check
	$(BIN)/python -m monitoring.metrics_page --check

format: setup  ## format and fix what can be fixed by machine
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: setup  ## write the generated files anew
	$(BIN)/reaper config schema > config/reaper.schema.json
	$(BIN)/python helm/generate.py
	$(BIN)/python -m monitoring.dashboard
	$(BIN)/python -m monitoring.managed
	$(BIN)/python -m monitoring.metrics_page

lock: $(TOOLS)/ready  ## resolve the dependencies anew; ARGS=--upgrade takes newer ones
	$(LOCK) --python-version 3.11 pyproject.toml -o requirements.lock
	$(LOCK) --python-version 3.11 pyproject.toml --extra mcp --group dev -o requirements-dev.lock
	$(LOCK) --python-version 3.11 --group build -o requirements-build.lock
	$(LOCK) --python-version 3.11 --group release -o requirements-release.lock
	echo "helm-sdkpy==0.1.32" | $(LOCK) --python-version 3.12 --no-deps - -o requirements-helm.lock

$(TOOLS)/ready: requirements-release.lock
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-release.lock
	@touch $@

audit: $(TOOLS)/ready  ## known vulnerabilities of what is locked; fails, too, when a package could not be judged
	packaging/audit.sh $(TOOLS)/bin/pip-audit

clean:  ## remove what the targets made
	rm -rf .venv .tools .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

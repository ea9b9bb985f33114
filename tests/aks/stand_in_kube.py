"""`kubectl` and `helm` for stand_in.py: objects by name, and releases with the values they were given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

World = dict[str, Any]
Act = tuple[bool, Callable[[], str]]
VALUED = {
    "kubectl": {"--namespace", "-n", "--output", "-o", "--filename", "-f", "--from", "--timeout"},
    "helm": {"--namespace", "-n", "--values", "-f", "--set"},
}
SWITCHES = {
    "kubectl": {"--ignore-not-found", "--all-namespaces"},
    "helm": {"--install", "--create-namespace", "--short", "--reset-then-reuse-values"},
}
LONG = {"-n": "--namespace", "-o": "--output"}


@dataclass(frozen=True)
class Asker:
    """Where a call was made, with which kubeconfig, and what stood on its standard input."""

    folder: Path
    kubeconfig: str
    text: str

    def read(self, file: str) -> str:
        return self.text if file == "-" else (self.folder / file).read_text()


def kubectl(world: World, arguments: list[str], asker: Asker) -> Act:
    """Whether a call changes anything, and how to do it; ValueError for what the real one refuses."""
    words, given = _parsed("kubectl", arguments)
    _reached(world, asker)
    place = f"{_one(given, '--namespace', 'default')}/"
    match words:
        case ["get", "crd", name]:
            return False, lambda: _found(name in world["crds"], f"customresourcedefinition/{name}", given)
        case ["get", "namespace", name]:
            return False, lambda: _found(name in world["namespaces"], f"namespace/{name}", given)
        case ["get", "prometheus"]:
            return False, lambda: '{"matchLabels":{"release":"kube-prometheus-stack"}}'
        case ["get", kind, name]:
            return False, lambda: _found(f"{place}{kind}/{name}" in world["objects"], f"{kind}/{name}", given)
        case ["create", "namespace", name]:
            return True, lambda: _create_namespace(world, name)
        case ["create", "job", name]:
            return True, lambda: _create_job(world, place, name, _one(given, "--from"))
        case ["apply"]:
            return True, lambda: _apply(world, place, asker.read(_one(given, "--filename", _one(given, "-f", ""))))
        case ["rollout", "status", name] | ["exec", name] | ["port-forward", name, *_]:
            return False, lambda: _deployed(world, place, name)
    raise ValueError(f"unknown command: kubectl {' '.join(words)}")


def helm(world: World, arguments: list[str], asker: Asker) -> Act:
    """As `kubectl`."""
    words, given = _parsed("helm", arguments)
    place = f"{_one(given, '--namespace', 'default')}/"
    if words == ["version"]:
        return False, lambda: f"{world['helm']}\n"
    _reached(world, asker)
    match words:
        case ["status", name]:
            return False, lambda: _status(world, place + name)
        case ["install" | "upgrade" as verb, name, chart]:
            if (verb == "install") == (place + name in world["releases"]) and "--install" not in given:
                raise ValueError("cannot re-use a name that is still in use" if verb == "install" else "not found")
            return True, lambda: _install(world, place + name, asker, asker.folder / chart, given)
        case ["test", name]:
            return False, lambda: _status(world, place + name)
    raise ValueError(f'unknown command "{" ".join(words)}" for "helm"')


def _parsed(tool: str, arguments: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Words, and options with all they were given; what follows `--` belongs to somebody else."""
    words: list[str] = []
    given: dict[str, list[str]] = {}
    rest = arguments[: arguments.index("--")] if "--" in arguments else list(arguments)
    while rest:
        word, *value = rest.pop(0).split("=", 1) if rest[0].startswith("-") else [rest.pop(0)]
        if not word.startswith("-"):
            words.append(word)
        elif word in SWITCHES[tool]:
            given[word] = []
        elif word in VALUED[tool] and (value or rest):
            given.setdefault(LONG.get(word, word), []).append(value[0] if value else rest.pop(0))
        else:
            raise ValueError(f"unknown flag, or one that needs a value: {word}")
    return words, given


def _one(given: dict[str, list[str]], option: str, otherwise: str | None = None) -> str:
    if option not in given and otherwise is None:
        raise ValueError(f"{option} is needed here")
    return given.get(option, [otherwise or ""])[-1]


def _reached(world: World, asker: Asker) -> None:
    """Whoever is asked must be the cluster that was meant, whatever kubeconfig is used."""
    context = asker.read(asker.kubeconfig) if asker.kubeconfig else world["kubeconfig"]
    if context not in world["clusters"]:
        raise ValueError(f"Kubernetes cluster unreachable: {context}")


def _found(there: bool, name: str, given: dict[str, list[str]]) -> str:
    if not there and "--ignore-not-found" not in given:
        raise ValueError(f"{name} not found")
    return f"{name}\n" if there else ""


def _create_namespace(world: World, name: str) -> str:
    if name in world["namespaces"]:
        raise ValueError(f'namespaces "{name}" already exists')
    world["namespaces"].append(name)
    return f"namespace/{name} created\n"


def _apply(world: World, place: str, text: str) -> str:
    if place.rstrip("/") not in world["namespaces"]:
        raise ValueError(f'namespaces "{place}" not found')
    for manifest in yaml.safe_load_all(text):
        world["objects"][f"{place}{manifest['kind'].lower()}/{manifest['metadata']['name']}"] = manifest
    return "configured\n"


def _create_job(world: World, place: str, name: str, source: str) -> str:
    if place + source not in world["objects"]:
        raise ValueError(f"{source} not found")
    if f"{place}job/{name}" in world["objects"]:
        raise ValueError(f'jobs "{name}" already exists')
    world["objects"][f"{place}job/{name}"] = {"from": source}
    return f"job/{name} created\n"


def _status(world: World, name: str) -> str:
    if name not in world["releases"]:
        raise ValueError("release: not found")
    return "STATUS: deployed\n"


def _install(world: World, name: str, asker: Asker, chart: Path, given: dict[str, list[str]]) -> str:
    if not (chart / "Chart.yaml").exists():
        raise ValueError(f'path "{chart}" not found')
    namespace, _, release = name.partition("/")
    if namespace not in world["namespaces"]:
        if "--create-namespace" not in given:
            raise ValueError(f'namespaces "{namespace}" not found')
        world["namespaces"].append(namespace)
    values = world["releases"].get(name, {}) if "--reset-then-reuse-values" in given else {}
    for file in given.get("--values", []) + given.get("-f", []):
        values = _merged(values, yaml.safe_load(asker.read(file)))
    for path, _, value in (text.partition("=") for text in given.get("--set", [])):
        *way, last = path.split(".")
        inner: Any = {"true": True, "false": False}.get(value, value)
        for step in [last, *reversed(way)]:
            inner = {step: inner}
        values = _merged(values, inner)
    world["releases"][name] = values
    full = release if "session-reaper" in release else f"{release}-session-reaper"
    world["objects"][f"{namespace}/deployment/{full}"] = {"release": release}
    return "STATUS: deployed\n"


def _merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {
        key: _merged(below[key], above[key]) if key in below and key in above else {**below, **above}[key]
        for key in {**below, **above}
    }


def _deployed(world: World, place: str, name: str) -> str:
    wanted = name.replace("deploy/", "deployment/")
    if place + wanted not in world["objects"]:
        raise ValueError(f'deployments.apps "{name}" not found')
    return "successfully rolled out\n"

"""What a real API server refuses of the kinds that the chart makes, and what it fills in. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]

UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def filled_in(before: Object | None, wanted: Object) -> Object:
    """The object with what the server adds to it, and keeps when a client does not say it again."""
    if wanted["kind"] != "PersistentVolumeClaim":
        return wanted
    given = (before or {}).get("spec", {})
    added = {"storageClassName": "standard", "volumeMode": "Filesystem", "volumeName": "pvc-1"}
    kept = {key: given.get(key, value) for key, value in added.items()}
    return {**wanted, "spec": {**kept, **wanted["spec"]}}


def refusals(before: Object | None, wanted: Object) -> list[str]:
    """Each reason to refuse the object, in the server's words; none for one that it would store."""
    kind = wanted["kind"]
    judges = {
        "ConfigMap": _configmap,
        "PersistentVolumeClaim": _claim,
        "Deployment": _deployment,
        "Service": _service,
    }
    said = [*_changed(before or wanted, wanted), *_labels(wanted)]
    if kind in judges:
        said += judges[kind](before or wanted, wanted)
    if kind == "Pod":
        said += _pod("spec", wanted["spec"])
    return said


def _changed(before: Object, wanted: Object) -> Iterator[str]:
    fixed = {"Deployment": "selector", "GrafanaDashboard": "instanceSelector"}.get(wanted["kind"])
    if fixed and before["spec"].get(fixed) != wanted["spec"].get(fixed):
        yield f"spec.{fixed}: Invalid value: field is immutable"


def _labels(wanted: Object) -> Iterator[str]:
    for key, value in wanted["metadata"].get("labels", {}).items():
        if not re.fullmatch(r"(([A-Za-z0-9][A-Za-z0-9._-]*)?[A-Za-z0-9])?", value) or len(value) > 63:
            yield f'metadata.labels: Invalid value: "{key}: {value}"'


def _configmap(before: Object, wanted: Object) -> Iterator[str]:
    same = all(before.get(key) == wanted.get(key) for key in ("data", "binaryData", "immutable"))
    if before.get("immutable") and not same:
        yield "data: Forbidden: field is immutable when `immutable` is set"


def _claim(before: Object, wanted: Object) -> Iterator[str]:
    fixed = [{key: value for key, value in one["spec"].items() if key != "resources"} for one in (before, wanted)]
    if fixed[0] != fixed[1]:
        yield "spec: Forbidden: spec is immutable after creation except resources.requests"
    was, now = (size(one["spec"]["resources"]["requests"]["storage"]) for one in (before, wanted))
    if now < was:
        yield "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    if now > was and before["spec"].get("storageClassName") == "fixed-size":
        yield "only dynamically provisioned pvc can be resized and the storageclass must support resize"


def size(quantity: str) -> float:
    """A quantity with a binary unit, in bytes."""
    found = re.fullmatch(r"([0-9.]+)(Ki|Mi|Gi|Ti|)", quantity)
    assert found is not None, quantity
    return float(found[1]) * UNITS[found[2]]


def _deployment(before: Object, wanted: Object) -> Iterator[str]:
    template = wanted["spec"]["template"]
    if not wanted["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items():
        yield "spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`"
    yield from _pod("spec.template.spec", template["spec"])


def _pod(at: str, spec: Object) -> Iterator[str]:
    volumes = [volume["name"] for volume in spec.get("volumes", [])]
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    yield from _twice(f"{at}.volumes", volumes)
    yield from _twice(f"{at}.containers", [one["name"] for one in containers])
    for container in containers:
        here = f"{at}.containers[{container['name']}]"
        mounts = container.get("volumeMounts", [])
        yield from _twice(f"{here}.env", [one["name"] for one in container.get("env", [])])
        yield from _twice(f"{here}.ports", [one["name"] for one in container.get("ports", [])])
        yield from _twice(f"{here}.volumeMounts", [one["mountPath"] for one in mounts])
        yield from (f"{here}.volumeMounts: Not found: {one['name']}" for one in mounts if one["name"] not in volumes)


def _twice(at: str, names: list[str]) -> Iterator[str]:
    yield from (f'{at}: Duplicate value: "{name}"' for name, count in Counter(names).items() if count > 1)


def _service(before: Object, wanted: Object) -> Iterator[str]:
    spec, kind = wanted["spec"], wanted["spec"].get("type", "ClusterIP")
    if before["spec"].get("ipFamilies", [None])[0] != spec.get("ipFamilies", [None])[0] and before is not wanted:
        yield "spec.ipFamilies[0]: Invalid value: primary ipFamily can not be changed"
    for key, kinds in {
        "loadBalancerSourceRanges": {"LoadBalancer"},
        "loadBalancerClass": {"LoadBalancer"},
        "externalTrafficPolicy": {"LoadBalancer", "NodePort"},
    }.items():
        if key in spec and kind not in kinds:
            yield f"spec.{key}: Forbidden: may only be used when `type` is {' or '.join(sorted(kinds))}"
    if kind == "ClusterIP" and any("nodePort" in port for port in spec["ports"]):
        yield "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"
    yield from _twice("spec.ports", [port["name"] for port in spec["ports"]])

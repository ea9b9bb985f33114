"""Whatever stands in a value stays in its place: no text becomes a key."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from chart_world import Helm, Values, scenario
from kube_stub import running

HOSTILE = 'x"\nhostNetwork: true\n  hostPID: true # \'{{ fail "filled in" }}'
FILLED_IN = ("initContainers", "extraContainers", "extraObjects")
"""Templates by promise: whoever writes these writes manifests."""

Path = tuple[str | int, ...]


def _leaves(found: Any, path: Path = ()) -> Iterator[Path]:
    """Where there is text."""
    items = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, value in items:
        if isinstance(value, str):
            yield (*path, key)
        yield from _leaves(value, (*path, key))


def _spiked(values: Values, leaves: list[Path]) -> Values:
    """The values with hostile texts there; what were the same names stay the same."""
    spiked = copy.deepcopy(values)
    for *way, last in leaves:
        found: Any = spiked
        for step in way:
            found = found[step]
        found[last] = HOSTILE + found[last]
    return spiked


def _shape(values: Values) -> list[Any]:
    """The keys of all that Helm makes of these values."""
    with running() as cluster:
        release = Helm(cluster).install(values)
    return [_keys(found) for found in [*release.manifests, *release.tests]]


def _keys(found: Any) -> Any:
    """The keys of a manifest; of a configuration that is text in it, nothing."""
    if isinstance(found, dict):
        return {key: _keys(value) for key, value in found.items()}
    return [_keys(value) for value in found] if isinstance(found, list) else None


@pytest.mark.parametrize("name", ["full", "cilium", "existing-claim", "digest"])
def test_a_line_break_in_a_text_is_refused_or_stays_in_the_text(helm: Helm, name: str) -> None:
    """But in the configuration, which is text itself, names of alerts, and what is a template by promise."""
    plain = {key: value for key, value in scenario(name).items() if key not in FILLED_IN}
    leaves = [path for path in _leaves(plain) if path[0] != "config" and "disabled" not in path]
    told = helm.refusal(_spiked(plain, leaves))
    refused = {tuple(place.strip("/").split("/")) for place in re.findall(r"at '(.*?)'", told)}
    free = [path for path in leaves if not _within(path, refused)]
    assert free or name != "full"
    assert _shape(_spiked(plain, free)) == _shape(plain)


def _within(path: Path, places: set[tuple[str, ...]]) -> bool:
    steps = tuple(str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return steps in places

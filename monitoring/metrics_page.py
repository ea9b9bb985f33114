"""The page of all metrics. `python -m monitoring.metrics_page` writes docs/metrics.md, `--check` compares it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prometheus_client.metrics_core import Metric

from monitoring.generated import main
from monitoring.world import swept

FILE: Final = Path(__file__).parents[1] / "docs" / "metrics.md"
TYPES: Final = {"gaugehistogram": "gauge histogram"}
CLOSED: Final = {
    "action": "what is done to a session",
    "outcome": "how an action ended",
    "reason": "why a candidate is not acted on, see [policies](policies.md#why-a-candidate-is-not-acted-on)",
    "result": "how a sweep ended, see [operating](operating.md#when-it-withholds-or-does-not-believe)",
    "status": "the platform's statuses, and `unknown` for any other",
    "window": "the limit for one sweep, or for 24 hours",
}
HEAD: Final = """\
# Metrics

All that `/metrics` says, made from the program by `python -m monitoring.metrics_page`. Labels come from the
configuration and from the platform's list of agents; never a session's id.

- Gauges of an agent that is gone, or whose inventory is not believed, disappear. They never read 0 instead.
- Times are timestamps: ask for `time() - x`.
- A counter has each of its `outcome`s and `result`s at 0 from an agent's first sweep on; `code`s appear as they come.
- A gauge histogram is the spread of the present inventory: it goes up and down, so no `rate` over its buckets.

| name | type | labels | meaning |
|---|---|---|---|
"""


def text() -> str:
    """The page."""
    families = sorted(swept().registry.collect(), key=lambda family: family.name)
    rows = "".join(
        f"| `{_name(f)}` | {TYPES.get(f.type, f.type)} | {_labels(f)} | {f.documentation} |\n" for f in families
    )
    values = "".join(f"| `{label}` | {told} | {_values(families, label)} |\n" for label, told in CLOSED.items())
    return f"{HEAD}{rows}\n## Labels with fixed values\n\n| label | says | values |\n|---|---|---|\n{values}"


def _name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def _labels(family: Metric) -> str:
    """The labels of a family's first sample, in the order of its definition."""
    names = [name for name in family.samples[0].labels if name != "le"]
    return ", ".join(f"`{name}`" for name in names)


def _values(families: Iterable[Metric], label: str) -> str:
    found = {sample.labels[label] for family in families for sample in family.samples if label in sample.labels}
    return ", ".join(f"`{value}`" for value in sorted(found))


if __name__ == "__main__":
    sys.exit(main(FILE, text))
